package keyring

import (
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// asked signs a request of several bodies and gives the answer.
func (w *world) asked(s *Service, service, operation string, bodies ...[]byte) *keyringv1.Answer {
	w.t.Helper()
	signed := w.signers[service].SignSeveral(operation, bodies, w.clock.Now())
	reply, err := s.handler(operation)(w.t.Context(), mustMarshal(signed))
	if err != nil {
		w.t.Fatal(err)
	}
	answer := new(keyringv1.Answer)
	if err := proto.Unmarshal(reply, answer); err != nil {
		w.t.Fatal(err)
	}
	return answer
}

func TestRequestsThatComeTogetherAreAnsweredEachForItself(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	broken := w.registration(2, "two")
	broken.Raw.Digest = nil
	lost := w.registration(3, "three")
	lost.InternalDate = &timestamppb.Timestamp{Nanos: -1}
	answer := w.asked(s, "ingest", keys.OpRegister,
		mustMarshal(w.registration(1, "one")), mustMarshal(broken), []byte("\xff"), mustMarshal(lost), mustMarshal(w.registration(4, "four")))
	var got []string
	for _, one := range answer.Answers {
		var recorded keyringv1.Recorded
		if err := proto.Unmarshal(one.Body, &recorded); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s%d%t", one.Refusal, recorded.GetRecord().GetUid(), recorded.GetChanged()))
	}
	if want := "[1true malformed0false malformed0false malformed0false 4true]"; fmt.Sprint(got) != want {
		t.Errorf("answers %v, want %s", got, want)
	}
}

func TestOneThatHasNoAnswerIsToBeAskedAgainAlone(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	w.records.mu.Lock()
	w.records.failAt = w.records.puts + 1
	w.records.mu.Unlock()
	answer := w.asked(s, "ingest", keys.OpRegister, mustMarshal(w.registration(1, "one")), mustMarshal(w.registration(2, "two")))
	alone := 0
	for _, one := range answer.Answers {
		if one.Alone {
			alone++
		}
	}
	if alone != 1 || len(answer.Answers) != 2 {
		t.Errorf("%d of %d are to be asked alone, want 1 of 2", alone, len(answer.Answers))
	}
}

// The answers of one request fit into one message: what has no room is asked for again.
func TestAnswersThatHaveNoRoomAreAskedForAlone(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	const n = 40
	var repeats [][]byte
	for i := range n {
		r := w.registration(uint32(i+1), fmt.Sprint("mail ", i))
		got, err := w.client("ingest").Register(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		w.render(w.file(got.Record.Item, 30), string(make([]byte, 25<<10)))
		repeats = append(repeats, mustMarshal(r))
	}
	answer := w.asked(s, "ingest", keys.OpRegister, repeats...)
	size, alone := 0, 0
	for _, one := range answer.Answers {
		if one.Alone {
			alone++
		} else if len(one.Body) < 25<<10 {
			t.Errorf("an answer of %d bytes has not the record with its view", len(one.Body))
		}
		size += len(one.Body)
	}
	if alone == 0 || alone == n || size > keys.MaxAnswerBytes {
		t.Errorf("%d of %d have no room, the others are %d bytes", alone, n, size)
	}
}

func TestSeveralBodiesComeOnlyWhereTheyMay(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	body := mustMarshal(w.registration(1, "one"))
	many := func(n int) [][]byte {
		bodies := make([][]byte, n)
		for i := range bodies {
			bodies[i] = mustMarshal(w.registration(uint32(i+10), "one"))
		}
		return bodies
	}
	for name, c := range map[string]struct {
		service, operation string
		bodies             [][]byte
		refusal            string
	}{
		"as many as may be":   {"ingest", keys.OpRegister, many(keys.MaxBodies), ""},
		"one more":            {"ingest", keys.OpRegister, many(keys.MaxBodies + 1), "malformed"},
		"an opening":          {"verify", keys.OpOpen + keys.ForVerify, [][]byte{body, body}, "malformed"},
		"a destruction":       {"retain", keys.OpDestroy, [][]byte{body, body}, "malformed"},
		"another's operation": {"verify", keys.OpRegister, [][]byte{body, body}, "forbidden"},
	} {
		answer := w.asked(s, c.service, c.operation, c.bodies...)
		if answer.Refusal != c.refusal || (c.refusal == "" && len(answer.Answers) != len(c.bodies)) {
			t.Errorf("%s: refusal %q, %d answers", name, answer.Refusal, len(answer.Answers))
		}
	}
	// Every body is under the signature.
	signed := w.signers["ingest"].SignSeveral(keys.OpRegister, [][]byte{body, body}, w.clock.Now())
	for name, change := range map[string]func(*keyringv1.Signed){
		"one left out":  func(s *keyringv1.Signed) { s.Bodies = s.Bodies[:1] },
		"one put in":    func(s *keyringv1.Signed) { s.Bodies = append(s.Bodies, body) },
		"joined":        func(s *keyringv1.Signed) { s.Bodies = [][]byte{append(append([]byte{}, body...), body...)} },
		"a body beside": func(s *keyringv1.Signed) { s.Body, s.Bodies = body, s.Bodies[1:] },
	} {
		other := proto.CloneOf(signed)
		change(other)
		if keys.Verify(other) == nil {
			t.Errorf("%s: the signature holds", name)
		}
	}
}

// Many callers of one client share requests; each gets the answer to its own.
func TestCallersWhoShareRequestsGetTheirOwnAnswers(t *testing.T) {
	w := newWorld(t)
	w.start()
	client := w.client("ingest")
	const n = 200
	requests := make([]*keyringv1.Register, n)
	for i := range requests {
		requests[i] = w.registration(uint32(i+1), fmt.Sprint("mail ", i))
	}
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			got, err := client.Register(t.Context(), r)
			if err != nil || got.Record.Uid != uint32(i+1) {
				t.Errorf("mail %d: %v, %v", i+1, got, err)
			}
		})
	}
	wg.Wait()
	if told := len(w.entries.acts("register")); told != n {
		t.Errorf("%d registrations were told of %d", told, n)
	}
}
