package keyring

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// maxPastAsides is how many times of being set aside a record remembers.
const maxPastAsides = 16

// killedWorker is the code of a mail whose worker died three times.
const killedWorker = "killed_worker"

// begins is the state in which a stage takes a mail up. One that only touches mailboxes is not among them.
var begins = map[string]itemv1.State{
	"ingest": itemv1.State_STATE_REGISTERED, "verify": itemv1.State_STATE_REGISTERED, "scan": itemv1.State_STATE_REGISTERED, "archive": itemv1.State_STATE_REGISTERED,
	"sanitize": itemv1.State_STATE_FILED, "desk": itemv1.State_STATE_RENDERED,
}

// setAside takes an item out of the flow, and files raw under its own class.
func (s *Service) setAside(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.SetAside))
	if err != nil {
		return nil, err
	}
	if !fault.ValidCode(r.Code) || len(r.Stage) == 0 || len(r.Stage) > 40 {
		return nil, refuse(keys.Malformed, "the code or the stage cannot be used")
	}
	stored, changed, err := s.tellAndUpdate(ctx, r.Item, func(record *itemv1.Record) (*auditv1.Act, error) {
		switch record.State {
		case itemv1.State_STATE_REGISTERED, itemv1.State_STATE_FILED, itemv1.State_STATE_RENDERED:
		default:
			return nil, nil // first wins
		}
		if r.Code == killedWorker && record.State != begins[r.Stage] {
			return nil, nil // the stage had done its part: a later one has the mail now, and may have made a ticket of it
		}
		aside := &itemv1.SetAside{Code: r.Code, Stage: r.Stage, Time: timestamppb.New(s.now()), From: record.State, Class: record.Class}
		if l := layerOf(record, raw); l != nil {
			aside.Due = l.Due
		}
		if err := s.fileAside(ctx, record); err != nil {
			return nil, err
		}
		record.State, record.SetAside, record.Berths = itemv1.State_STATE_SET_ASIDE, aside, nil
		a := s.act(c, "set_aside", "")
		a.Items, a.Purpose = []string{r.Item}, r.Code
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return recorded(stored, changed), nil
}

func (s *Service) fileAside(ctx context.Context, record *itemv1.Record) error {
	record.Class = classSetAside
	l := layerOf(record, raw)
	if l == nil || l.State != present {
		return nil // erased in the meantime: there is nothing to keep
	}
	dues, err := s.cfg.Policy.Dues(classSetAside, record.Received.AsTime())
	if err != nil {
		return err
	}
	b, err := s.ensure(ctx, place{classSetAside, raw, lastDayOf(dues.Raw.At, int32(dues.Raw.Period))})
	if err != nil {
		return err
	}
	l.Due = timestamppb.New(dues.Raw.At)
	if len(record.Holds) > 0 {
		setHome(record, raw, b[0].id)
		return nil
	}
	return s.rewrap(l, b[0])
}

// retryItem takes up again what was set aside. What was rendered already is as it was
// before; anything else begins anew, with the class and dates of a new filing.
func (s *Service) retryItem(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Retry))
	if err != nil {
		return nil, err
	}
	if r.Actor == "" || len(r.Actor) > 200 || r.FetchLimit < 0 {
		return nil, refuse(keys.Malformed, "nobody is named who retries, or the limit is below zero")
	}
	stored, changed, err := s.tellAndUpdate(ctx, r.Item, func(record *itemv1.Record) (*auditv1.Act, error) {
		if record.State != itemv1.State_STATE_SET_ASIDE {
			return nil, nil // first wins
		}
		l := layerOf(record, raw)
		if l == nil || l.State != present {
			return nil, keys.Destroyed
		}
		aside := record.SetAside
		if err := s.restore(ctx, record, l, aside); err != nil {
			return nil, err
		}
		a := s.act(c, "retry", r.Actor)
		a.Items, a.Purpose = []string{r.Item}, aside.GetCode()
		aside.Retried = timestamppb.New(s.now())
		record.PastAsides = append(record.PastAsides, aside)
		record.PastAsides = record.PastAsides[max(0, len(record.PastAsides)-maxPastAsides):]
		record.SetAside, record.FetchLimit = nil, r.FetchLimit
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return recorded(stored, changed), nil
}

// restore puts a record back to where it was taken out of the flow.
func (s *Service) restore(ctx context.Context, record *itemv1.Record, l *itemv1.Layer, aside *itemv1.SetAside) error {
	if aside.GetFrom() != itemv1.State_STATE_RENDERED {
		// It is filed anew, by what is found out then.
		record.State, record.Class, record.Berths = itemv1.State_STATE_REGISTERED, "", nil
		record.Findings, record.Details, record.Evidence = nil, nil, nil
		return nil
	}
	record.State, record.Class = itemv1.State_STATE_RENDERED, aside.Class
	l.Due = aside.Due
	// Into a bucket of the period that it left: it is due as it was.
	to := place{aside.Class, raw, lastDayOf(aside.Due.AsTime(), 1)}
	for _, id := range l.PastBuckets {
		if p := placeOf(id, raw); p.class == aside.Class {
			to = p
		}
	}
	b, err := s.ensure(ctx, to)
	if err != nil {
		return err
	}
	if len(record.Holds) > 0 {
		setHome(record, raw, b[0].id)
		return nil
	}
	return s.rewrap(l, b[0])
}
