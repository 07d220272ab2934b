// Package event makes and opens the envelopes in which everything is said on the
// bus, and derives the ids of items, events and tickets. It does not transport.
package event

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"

	"github.com/postern-mail/postern/pkg/fault"
)

// Garbled is the code of bytes that are no event of their subject.
const Garbled = "garbled_event"

// New wraps msg as the index-th event that stage says because of cause. item is
// the item it speaks of, empty where it speaks of none.
func New(cause, stage string, index int, item string, at time.Time, msg proto.Message) (*eventv1.Envelope, error) {
	name := Name(msg)
	if _, known := kinds[name]; !known {
		return nil, fmt.Errorf("event %s: not an event", name)
	}
	if item != "" && !IsItem(item) {
		return nil, fmt.Errorf("event %s: item is not an item id", name)
	}
	if cause == "" || !isStage(stage) || index < 0 {
		return nil, fmt.Errorf("event %s: cause, stage or index is missing", name)
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", name, err)
	}
	return &eventv1.Envelope{
		Id: ID(cause, stage, index), Type: name, Item: item, Cause: cause, Stage: stage,
		Time: timestamppb.New(at.UTC()), Body: body,
	}, nil
}

// Marshal is the envelope's form on the bus; equal envelopes have equal bytes.
func Marshal(env *eventv1.Envelope) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", env.GetType(), err)
	}
	return data, nil
}

// Open reads what was said on subject. Bytes that are no envelope, or an envelope
// that does not belong on subject, are the final fault Garbled. The envelope is
// returned beside that fault where it could be read and its ids have their form, so that
// the caller can tell which item suffered.
func Open(subject string, data []byte) (*eventv1.Envelope, proto.Message, error) {
	env := new(eventv1.Envelope)
	if err := proto.Unmarshal(data, env); err != nil {
		return nil, nil, garbled("it is no envelope")
	}
	if !IsID(env.Id) || (env.Item != "" && !IsItem(env.Item)) || !isStage(env.Stage) ||
		(!IsID(env.Cause) && !IsItem(env.Cause) && !isCause(env.Cause)) || env.Time.CheckValid() != nil {
		return nil, nil, garbled("a field of the envelope has not its form")
	}
	if !Fits(subject, env) {
		return env, nil, garbled("its type is not its subject's")
	}
	kind, known := kinds[env.Type]
	if !known {
		return env, nil, garbled("its type is not known")
	}
	msg := kind.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(env.Body, msg); err != nil {
		return env, nil, garbled("its body is not of its type")
	}
	return env, msg, nil
}

// Fits reports whether the envelope belongs on subject:
//   - mail.v1.Received: the type is the subject;
//   - audit.v1.Entry.keyring: type and stage are the subject;
//   - tickets.<id>: the type is one of ticket.v1.
func Fits(subject string, env *eventv1.Envelope) bool {
	if id, ok := strings.CutPrefix(subject, "tickets."); ok {
		return IsTicket(id) && strings.HasPrefix(env.Type, "ticket.v1.")
	}
	return subject == env.Type || subject == env.Type+"."+env.Stage
}

// Name is the full name of an event, such as mail.v1.Received.
func Name(msg proto.Message) string {
	if msg == nil {
		return ""
	}
	return string(msg.ProtoReflect().Descriptor().FullName())
}

// garbled takes only texts of ours: nothing of the bytes may enter the error.
func garbled(why string) error { return fault.FinalFor(errors.New(why), Garbled) }

// isStage accepts the name of a service or stage: lower case words joined by hyphens.
func isStage(s string) bool {
	return fault.ValidCode(strings.ReplaceAll(s, "-", "_")) && !strings.Contains(s, "_")
}

// isCause accepts what else may lead to an event: a plan, a request, a sign-in, by its id.
func isCause(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
