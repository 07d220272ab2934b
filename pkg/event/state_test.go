package event_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

func TestARecordSaysWhetherThereAreOnlyHeadersAndWhereItsMailIs(t *testing.T) {
	record := &itemv1.Record{Size: 100, UidValidity: 1, Uid: 2, Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Size: 99}}}
	if event.HeadersOnly(record) || event.HeadersOnly(nil) {
		t.Error("a whole mail, or none, is taken for headers")
	}
	record.HeadersOnly = true
	for _, sealed := range []int64{99, 100, 151} { // whatever their size
		record.Layers[0].Size = sealed
		if !event.HeadersOnly(record) {
			t.Errorf("headers of %d bytes are taken for the mail", sealed)
		}
	}
	if at := event.Place(record); at.GetUidValidity() != 1 || at.GetUid() != 2 {
		t.Errorf("it is at %v", at)
	}
	record.Place = &itemv1.Place{UidValidity: 7, Uid: 8, Generation: 1}
	if at := event.Place(record); at.GetUidValidity() != 7 || at.GetUid() != 8 || at.GetGeneration() != 1 {
		t.Errorf("found again, it is at %v", at)
	}
	told, anew := timestamppb.New(time.Unix(1, 0)), timestamppb.New(time.Unix(2, 0))
	record.InternalDate = told
	if at := event.Place(record).GetInternalDate(); !proto.Equal(at, told) {
		t.Errorf("found again and not dated, it is of %v", at.AsTime())
	}
	record.Place.InternalDate = anew
	if at := event.Place(record).GetInternalDate(); !proto.Equal(at, anew) {
		t.Errorf("found again and dated anew, it is of %v", at.AsTime())
	}
}

func TestAMailIsToBeFetchedWhereItsHeadersWereTakenUpAgainAndAreStillThere(t *testing.T) {
	record := func(headers bool, state itemv1.State, taken int, layers ...itemv1.LayerState) *itemv1.Record {
		r := &itemv1.Record{HeadersOnly: headers, State: state, PastAsides: make([]*itemv1.SetAside, taken)}
		for _, l := range layers {
			r.Layers = append(r.Layers, &itemv1.Layer{Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: l})
		}
		return r
	}
	const registered, present = itemv1.State_STATE_REGISTERED, itemv1.LayerState_LAYER_STATE_PRESENT
	for name, c := range map[string]struct {
		record *itemv1.Record
		want   bool
	}{
		"taken up":              {record(true, registered, 1, present), true},
		"whole":                 {record(false, registered, 1, present), false},
		"never taken up":        {record(true, registered, 0, present), false},
		"still set aside":       {record(true, itemv1.State_STATE_SET_ASIDE, 1, present), false},
		"a tombstone":           {record(true, itemv1.State_STATE_TOMBSTONE, 1, itemv1.LayerState_LAYER_STATE_DESTROYED), false},
		"erased meanwhile":      {record(true, registered, 1, itemv1.LayerState_LAYER_STATE_ERASED), false},
		"destroyed meanwhile":   {record(true, registered, 1, itemv1.LayerState_LAYER_STATE_DESTROYED), false},
		"without an original":   {record(true, registered, 1), false},
		"nothing":               {nil, false},
		"again, the third time": {record(true, registered, 3, present), true},
	} {
		if got := event.Lacking(c.record); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAMailWaitsSinceItWasReceivedOrLastTakenUp(t *testing.T) {
	at := func(hour int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC))
	}
	for want, record := range map[int]*itemv1.Record{
		1: {Received: at(1)},
		2: {Received: at(2), PastAsides: []*itemv1.SetAside{{}}},
		5: {Received: at(1), PastAsides: []*itemv1.SetAside{{Retried: at(5)}, {Retried: at(3)}}},
	} {
		if got := event.Waiting(record); !got.Equal(at(want).AsTime()) {
			t.Errorf("since %v, want %d o'clock", got, want)
		}
	}
}

func TestARecordIsTakenUpUntilItsMailIsStoredAnewOrFiled(t *testing.T) {
	at := func(minute int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 11, 21, 12, minute, 0, 0, time.UTC))
	}
	record := func(state itemv1.State, sealed int, retried ...int) *itemv1.Record {
		r := &itemv1.Record{State: state, Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Attempted: at(sealed)}}}
		for _, minute := range retried {
			r.PastAsides = append(r.PastAsides, &itemv1.SetAside{Retried: at(minute)})
		}
		return r
	}
	const registered, filed = itemv1.State_STATE_REGISTERED, itemv1.State_STATE_FILED
	for name, c := range map[string]struct {
		record *itemv1.Record
		want   bool
	}{
		"new":                     {record(registered, 0), false},
		"taken up":                {record(registered, 0, 5), true},
		"stored anew since":       {record(registered, 6, 5), false},
		"stored, and taken up":    {record(registered, 6, 5, 9), true},
		"filed since":             {record(filed, 0, 5), false},
		"without an original":     {&itemv1.Record{State: registered, PastAsides: []*itemv1.SetAside{{Retried: at(5)}}}, false},
		"nothing":                 {nil, false},
		"set aside a second time": {record(itemv1.State_STATE_SET_ASIDE, 0, 5), false},
	} {
		if got := event.Retried(c.record); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestATicketsRecordSaysWithWhichSignaturesItWasJudgedOrThatItHasNoFiles(t *testing.T) {
	view := func(packets int) []*itemv1.Layer {
		return []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_VIEW, State: itemv1.LayerState_LAYER_STATE_PRESENT, PacketEnds: make([]int64, packets)}}
	}
	for want, record := range map[string]*itemv1.Record{
		"one":          {State: itemv1.State_STATE_TICKETED, Layers: view(3), Findings: &itemv1.Findings{Signatures: "one"}},
		event.Unjudged: {State: itemv1.State_STATE_TICKETED, Layers: view(3)},
		event.NoFiles:  {State: itemv1.State_STATE_TICKETED, Layers: view(2), Findings: &itemv1.Findings{Signatures: "one"}},
		"":             {State: itemv1.State_STATE_RENDERED, Layers: view(3), Findings: &itemv1.Findings{Signatures: "one"}},
	} {
		said := event.RecordHeaders(record)[event.HeaderJudged]
		if want == "" && said != nil || want != "" && (len(said) != 1 || said[0] != want) {
			t.Errorf("%q: it says %v", want, said)
		}
	}
}
