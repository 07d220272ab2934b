package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// A Message is one stored message.
type Message struct {
	Subject  string
	Header   Header
	Data     []byte
	Sequence uint64
	Time     time.Time // when the server stored it, by its clock
}

// Last returns the last message of subject in stream. In a cluster any replica may
// answer, so what it says can be a moment old; that there is none (ErrNoMessage) is
// always the leader's word.
func (c *Conn) Last(ctx context.Context, stream, subject string) (*Message, error) {
	var found *Message
	err := c.around(Call{CallLast, subject}, func() error {
		msg, err := c.directLast(ctx, stream, subject)
		if errors.Is(err, ErrNoMessage) {
			msg, err = c.leaderLast(ctx, stream, subject)
		}
		found = msg
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// LastFresh is Last by the stream's leader alone: what every publish acknowledged
// before it has left. It costs more.
func (c *Conn) LastFresh(ctx context.Context, stream, subject string) (*Message, error) {
	var found *Message
	err := c.around(Call{CallLast, subject}, func() (err error) {
		found, err = c.leaderLast(ctx, stream, subject)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Peek is Last by any replica, also where it says that there is nothing. It reaches the
// streams of which a service may read single subjects only.
func (c *Conn) Peek(ctx context.Context, stream, subject string) (*Message, error) {
	var found *Message
	err := c.around(Call{CallLast, subject}, func() (err error) {
		found, err = c.directLast(ctx, stream, subject)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (c *Conn) directLast(ctx context.Context, stream, subject string) (*Message, error) {
	reply, err := c.ask(ctx, nats.NewMsg(c.api+"DIRECT.GET."+stream+"."+subject))
	if err != nil {
		return nil, err
	}
	switch status := reply.Header.Get("Status"); status {
	case "":
		return stored(reply)
	case "404":
		return nil, fmt.Errorf("last of %s: %w", subject, ErrNoMessage)
	default:
		return nil, fmt.Errorf("last of %s: server answers %s", subject, status)
	}
}

func (c *Conn) leaderLast(ctx context.Context, stream, subject string) (*Message, error) {
	request := nats.NewMsg(c.api + "STREAM.MSG.GET." + stream)
	request.Data, _ = json.Marshal(map[string]string{"last_by_subj": subject})
	reply, err := c.ask(ctx, request)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *apiError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, fmt.Errorf("last of %s: server's answer: %w", subject, err)
	}
	if answer.Error != nil {
		if answer.Error.Code == 404 {
			return nil, fmt.Errorf("last of %s: %w", subject, ErrNoMessage)
		}
		return nil, fmt.Errorf("last of %s: %w", subject, answer.Error)
	}
	m := answer.Message
	header, err := nats.DecodeHeadersMsg(m.Header)
	if len(m.Header) > 0 && err != nil {
		return nil, fmt.Errorf("last of %s: headers: %w", subject, err)
	}
	return &Message{Subject: m.Subject, Header: header, Data: m.Data, Sequence: m.Seq, Time: m.Time}, nil
}

// apiError is how the server says no.
type apiError struct {
	Code        int    `json:"code"`
	ErrorCode   int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("server says %d (%d): %s", e.Code, e.ErrorCode, e.Description)
}

// The server's own headers on a message that it hands out directly.
const (
	headerSubject  = "Nats-Subject"
	headerSequence = "Nats-Sequence"
	headerTime     = "Nats-Time-Stamp"
	headerStream   = "Nats-Stream"
	headerPending  = "Nats-Num-Pending"
	headerBefore   = "Nats-Last-Sequence"
)

// stored reads a direct answer. The server puts its own headers behind those of the
// message, so of two with one name the last is the server's.
func stored(m *nats.Msg) (*Message, error) {
	msg := &Message{Subject: own(m, headerSubject), Data: m.Data, Header: m.Header}
	var err error
	if msg.Sequence, err = strconv.ParseUint(own(m, headerSequence), 10, 64); err != nil {
		return nil, errors.New("stored message: the server gave no sequence")
	}
	if msg.Time, err = time.Parse(time.RFC3339Nano, own(m, headerTime)); err != nil {
		return nil, errors.New("stored message: the server gave no time")
	}
	for _, name := range []string{headerSubject, headerSequence, headerTime, headerStream, headerPending, headerBefore} {
		msg.Header.Del(name)
	}
	return msg, nil
}

func own(m *nats.Msg, name string) string {
	values := m.Header[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
