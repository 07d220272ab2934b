package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mail"
)

// Job is what a confined process does for this service: it reads the mail anew and judges what it
// carries.
const Job = "scan"

// What a job is told beside the mail, and what it tells beside the report.
type (
	orders struct {
		Limits attachment.Limits
		Second bool // there is a second opinion to ask for
		Known  bool // and some are known: a digest is enough
	}
	findings struct {
		Report      attachment.Report
		Unavailable bool // the second opinion could not be had for some part
	}
)

// Confined judges in a confined process. The second opinion is asked for outside, where it can be
// reached.
func Confined(pool *confine.Pool, options attachment.Options, parse mail.Limits) Judging {
	return func(ctx context.Context, message *mail.Message) (attachment.Report, error) {
		report, err := confined(ctx, pool, options, parse, message)
		if errors.Is(err, confine.ErrDied) {
			return unexamined(attachment.DecoderDied), nil
		}
		return report, err
	}
}

// unexamined is the report on a mail of which nothing is known.
func unexamined(why attachment.Reason) attachment.Report {
	return attachment.Report{Attachments: []attachment.Attachment{}, Scan: attachment.Summary{Verdict: why.Verdict(), Reasons: []attachment.Reason{why}}}
}

func confined(ctx context.Context, pool *confine.Pool, options attachment.Options, parse mail.Limits, message *mail.Message) (attachment.Report, error) {
	packed, err := message.Pack(parse)
	if err != nil {
		return attachment.Report{}, err
	}
	known, _ := options.SecondOpinion.(knowing)
	order, err := json.Marshal(orders{options.Limits, options.SecondOpinion != nil, known != nil})
	if err != nil {
		return attachment.Report{}, fmt.Errorf("scan limits: %w", err)
	}
	second := &relayed{from: options.SecondOpinion, known: known, said: map[digest]attachment.Opinion{}}
	var found findings
	err = pool.Do(ctx, confine.Task{
		Job: Job, Parts: append([][]byte{order}, packed...), Answer: second.answer, Result: reportLimit + 64<<10,
		Read: func(results [][]byte) error {
			found = findings{}
			if len(results) != 1 || !fits(results[0]) || json.Unmarshal(results[0], &found) != nil {
				return errNoReport
			}
			return believe(&found.Report, message, second.said, options.SecondOpinion != nil)
		},
	})
	if err != nil {
		return attachment.Report{}, err
	}
	if found.Unavailable {
		found.Report.Unavailable = second.failed()
	}
	return found.Report, nil
}

var errNoReport = errors.New("it answers what is no report")

// knowing is a second opinion that remembers; *Opinions is one.
type knowing interface {
	Known(file digest) (attachment.Opinion, bool)
}

// What a question of the confined begins with.
const (
	askKnown = 'k' // the digest of a file: is there an opinion already?
	askFile  = 'f' // the file
)

// A relayed second opinion is asked outside for who is confined, one question after another. Whose file it is,
// nobody asks: what is said stays with the digest that it was said of, and what is remembered has a digest that
// was made here.
type relayed struct {
	from  attachment.SecondOpinion
	known knowing
	said  map[digest]attachment.Opinion
	err   error
}

var errNoOpinion = errors.New("second opinion: none could be had")

func (r *relayed) answer(ctx context.Context, question io.Reader) ([]byte, error) {
	if r.from == nil {
		return nil, errNoOpinion
	}
	var kind [1]byte
	if _, err := io.ReadFull(question, kind[:]); err != nil {
		return nil, errQuestion
	}
	switch {
	case kind[0] == askKnown && r.known != nil:
		return r.remembered(question)
	case kind[0] != askFile:
		return nil, errQuestion
	}
	hash := sha256.New()
	file := &toEnd{r: io.TeeReader(question, hash)}
	opinion, err := r.from.Scan(ctx, file)
	if err != nil {
		r.err = err
		return nil, err
	}
	if file.ended {
		r.said[digest(hash.Sum(nil))] = opinion
	}
	return json.Marshal(opinion)
}

var errQuestion = errors.New("second opinion: a question not understood")

// remembered answers with an opinion, or with nothing where there is none.
func (r *relayed) remembered(question io.Reader) ([]byte, error) {
	var file digest
	if _, err := io.ReadFull(question, file[:]); err != nil {
		return nil, errQuestion
	}
	opinion, ok := r.known.Known(file)
	if !ok {
		return nil, nil
	}
	r.said[file] = opinion
	return json.Marshal(opinion)
}

// failed is why no opinion could be had.
func (r *relayed) failed() error {
	if r.err == nil {
		return errNoOpinion
	}
	return r.err
}

// Decode is Job: the part that runs confined.
func Decode(ctx context.Context, parts [][]byte, ask confine.Ask) ([][]byte, error) {
	var order orders
	if len(parts) == 0 || json.Unmarshal(parts[0], &order) != nil {
		return nil, errors.New("malformed_job")
	}
	message, err := mail.Unpack(parts[1:])
	if err != nil {
		return nil, errors.New("malformed_job")
	}
	options := attachment.Options{Limits: order.Limits}
	if order.Second {
		options.SecondOpinion = asked{ask, order.Known}
	}
	report := Judge(ctx, message, options)
	for shorten := 0; ; shorten++ {
		result, err := json.Marshal(findings{report, report.Unavailable != nil})
		if err != nil {
			return nil, errors.New("report")
		}
		switch {
		case fits(result):
			return [][]byte{result}, nil
		case shorten == 0: // as a report does that is too long for an event
			for i := range report.Attachments {
				report.Attachments[i].Children = nil
			}
		case shorten == 1:
			report.Attachments = nil
		default:
			return nil, errors.New("report")
		}
	}
}

// An asked second opinion is one that is outside.
type asked struct {
	ask   confine.Ask
	known bool
}

func (a asked) Scan(_ context.Context, r io.Reader) (attachment.Opinion, error) {
	if file, ok := r.(io.ReadSeeker); ok && a.known {
		if opinion, ok, err := a.remembered(file); ok || err != nil {
			return opinion, err
		}
	}
	answer, err := a.ask(io.MultiReader(bytes.NewReader([]byte{askFile}), r))
	if err != nil {
		return attachment.Opinion{}, err
	}
	return opinionFrom(answer)
}

// remembered asks with the digest alone, and leaves the file as it was.
func (a asked) remembered(file io.ReadSeeker) (attachment.Opinion, bool, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return attachment.Opinion{}, false, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return attachment.Opinion{}, false, err
	}
	answer, err := a.ask(bytes.NewReader(hash.Sum([]byte{askKnown})))
	if err != nil || len(answer) == 0 {
		return attachment.Opinion{}, false, err
	}
	opinion, err := opinionFrom(answer)
	return opinion, true, err
}

func opinionFrom(answer []byte) (attachment.Opinion, error) {
	var opinion attachment.Opinion
	err := json.Unmarshal(answer, &opinion)
	return opinion, err
}
