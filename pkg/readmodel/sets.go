package readmodel

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// pageSize is how many members are fetched at once, at most.
const pageSize = 512

// spare is how many more than asked for are fetched at first: those of the same
// score as the last of the page before.
const spare = 8

// Range gives members of a set in the order of their scores.
func (r *Redis) Range(ctx context.Context, set string, q Query) ([]Member, error) {
	if err := CheckKey(set); err != nil {
		return nil, err
	}
	args := redis.ZRangeArgs{Key: r.sets + set, ByScore: true, Rev: q.Reverse, Start: bound(q.Min, "-inf"), Stop: bound(q.Max, "+inf")}
	if q.After != nil {
		// Those with the same score are fetched again, and skipped by name.
		if q.Reverse {
			args.Stop = bound(&q.After.Score, "")
		} else {
			args.Start = bound(&q.After.Score, "")
		}
	}
	if q.Reverse {
		args.Start, args.Stop = args.Stop, args.Start // the first is where it begins
	}
	size := pageSize
	if q.Limit > 0 {
		size = min(pageSize, q.Limit+spare)
	}
	args.Count = int64(size)
	var found []Member
	for {
		page, err := r.client.ZRangeArgsWithScores(ctx, args).Result()
		if err != nil {
			return nil, wrap("range", err)
		}
		for _, z := range page {
			name, _ := z.Member.(string)
			member := Member{Name: name, Score: z.Score}
			if q.After != nil && !behind(member, *q.After, q.Reverse) || !within(member, q) {
				continue
			}
			if found = append(found, member); len(found) == q.Limit {
				return found, nil
			}
		}
		if len(page) < size {
			return found, nil
		}
		args.Offset += int64(size)
	}
}

// within holds the member to both bounds: After stands in for one of them in the
// request, and may lie outside.
func within(m Member, q Query) bool {
	return (q.Min == nil || m.Score >= *q.Min) && (q.Max == nil || m.Score <= *q.Max)
}

// behind tells whether a member comes after another in the order of the query.
func behind(m, other Member, reverse bool) bool {
	if reverse {
		m, other = other, m
	}
	return m.Score > other.Score || m.Score == other.Score && m.Name > other.Name
}

// Count tells how many members of a set have a score from min to max.
func (r *Redis) Count(ctx context.Context, set string, min, max float64) (int64, error) {
	if err := CheckKey(set); err != nil {
		return 0, err
	}
	count, err := r.client.ZCount(ctx, r.sets+set, bound(&min, ""), bound(&max, "")).Result()
	return count, wrap("count", err)
}

// Score reads a member's score.
func (r *Redis) Score(ctx context.Context, set, member string) (float64, bool, error) {
	if err := CheckKey(set); err != nil {
		return 0, false, err
	}
	return score(r.client.ZScore(ctx, r.sets+set, member))
}

func score(answer *redis.FloatCmd) (float64, bool, error) {
	score, err := answer.Result()
	if errors.Is(err, redis.Nil) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, wrap("score", err)
	}
	return score, true, nil
}

func bound(score *float64, open string) string {
	if score == nil {
		return open
	}
	return strconv.FormatFloat(*score, 'g', -1, 64)
}
