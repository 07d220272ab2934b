package readmodel

import (
	"context"
	"errors"
	"strings"
)

// scanSize is how many keys the server looks at in one step of a scan.
const scanSize = 1000

// Scrub removes cells and sets by name or by what their names begin with.
func (r *Redis) Scrub(ctx context.Context, names ...string) (int, error) {
	removed := 0
	for _, name := range names {
		start, many := strings.CutSuffix(name, "*")
		if err := CheckKey(start); err != nil {
			return removed, err
		}
		n, err := r.scrub(ctx, start, many)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (r *Redis) scrub(ctx context.Context, start string, many bool) (int, error) {
	if many {
		n, err := r.removeAll(ctx, r.values+start)
		m, err2 := r.removeAll(ctx, r.sets+start)
		return n + m, errors.Join(err, err2)
	}
	keys := []string{r.values + start, r.sets + start}
	n, err := r.client.Del(ctx, keys...).Result()
	if err != nil {
		return int(n), wrap("scrub", err)
	}
	left, err := r.client.Exists(ctx, keys...).Result()
	if err == nil && left > 0 {
		err = errors.New("somebody wrote it again")
	}
	return int(n), wrap("scrub", err)
}

// Reset removes all cells, sets and positions. The positions go first: were it
// to break off, a projector that went on would otherwise take half for the
// whole.
func (r *Redis) Reset(ctx context.Context) error {
	for _, prefix := range []string{r.places, r.values, r.sets} {
		if _, err := r.removeAll(ctx, prefix); err != nil {
			return err
		}
	}
	return nil
}

// removeAll removes every key that begins with prefix, until a whole scan finds
// none: one scan may miss what is written while it runs.
func (r *Redis) removeAll(ctx context.Context, prefix string) (int, error) {
	removed := 0
	for range r.config.Tries {
		found := 0
		scan := r.client.Scan(ctx, 0, escape(prefix)+"*", scanSize).Iterator()
		var batch []string
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			n, err := r.client.Del(ctx, batch...).Result()
			removed += int(n)
			batch = batch[:0]
			return err
		}
		for scan.Next(ctx) {
			found++
			if batch = append(batch, scan.Val()); len(batch) == scanSize {
				if err := flush(); err != nil {
					return removed, wrap("scrub", err)
				}
			}
		}
		if err := errors.Join(scan.Err(), flush()); err != nil {
			return removed, wrap("scrub", err)
		}
		if found == 0 {
			return removed, nil
		}
	}
	return removed, ErrBusy
}

// escape takes the meaning from the characters of a pattern.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}
