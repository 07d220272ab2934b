package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func TestAMailGoesFromTheDoorToATicket(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	item := w.mail("hello")
	r := w.record(item)
	if r.State != itemv1.State_STATE_REGISTERED || layerOf(r, raw).Bucket != "intake.raw.20261121.1" || !r.Received.AsTime().Equal(noon) {
		t.Errorf("registered: %v", r)
	}
	sum := sha256.Sum256([]byte("hello"))
	h := hmac.New(sha256.New, s.snap.Load().periods["2026"].digest)
	h.Write(sum[:])
	if !hmac.Equal(r.RawDigest, h.Sum(nil)) || r.DigestPeriod != "2026" {
		t.Error("the digest is not HMAC-SHA256 under the period's key")
	}
	w.mustOpen(item, raw, "hello")

	r = w.file(item, 3)
	// 21 November and 3 days: due at midnight of the 24th, so the 23rd is the last day.
	if l := layerOf(r, raw); r.State != itemv1.State_STATE_FILED || l.Bucket != "customer.raw.20261123.1" || len(l.PastBuckets) != 1 || l.PastBuckets[0] != "intake.raw.20261121.1" {
		t.Errorf("filed: %v", r)
	}
	if berthOf(r, view).Bucket != "customer.view.20261220.1" || berthOf(r, pii).Bucket != "customer.pii.20261205.1" {
		t.Errorf("berths: %v", r.Berths)
	}
	h = hmac.New(sha256.New, s.snap.Load().periods["2026"].pseudonym)
	h.Write([]byte("jane@example.org"))
	if len(r.Pseudonyms) != 1 || r.Pseudonyms[0] != "2026."+hex.EncodeToString(h.Sum(nil)) {
		t.Errorf("pseudonyms: %v", r.Pseudonyms)
	}
	w.mustOpen(item, raw, "hello")

	r = w.render(r, "hello")
	if r.State != itemv1.State_STATE_RENDERED || len(r.Details) > 0 || string(r.Evidence) != "sealed evidence" || len(r.Berths) > 0 || len(layerOf(r, view).Inline) == 0 {
		t.Errorf("rendered: %v", r)
	}
	got, err := w.client("desk").Ticket(t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)})
	if err != nil || got.Record.State != itemv1.State_STATE_TICKETED || len(layerOf(got.Record, view).Inline) > 0 || got.Record.Ticket != event.Ticket(item) {
		t.Errorf("ticketed: %v, %v", got, err)
	}
	w.mustOpen(item, raw, "hello")
	w.mustOpen(item, view, "card hello")
	w.mustOpen(item, pii, "pii hello")
	if w.record(item).String() != got.Record.String() {
		t.Error("the answer is not the record")
	}
}

func TestTheFirstWinsAndARepeatChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	first := w.registration(1, "hello")
	second := w.registration(1, "hello")
	ask := w.client("ingest")
	a, err := ask.Register(t.Context(), first)
	if err != nil || !a.Changed {
		t.Fatal(err)
	}
	b, err := ask.Register(t.Context(), second)
	if err != nil || b.Changed || !proto.Equal(a.Record, b.Record) {
		t.Errorf("second attempt: %v, %v", b, err)
	}
	// A repeat that comes late is no new registration: it gets the record.
	w.clock.advance(3 * time.Hour)
	if b, err = ask.Register(t.Context(), first); err != nil || b.Changed {
		t.Errorf("late repeat: %v", err)
	}
	other := proto.CloneOf(second)
	other.Size++
	_, err = ask.Register(t.Context(), other)
	w.mustRefuse(err, keys.Conflict)
	other = proto.CloneOf(second)
	other.InternalDate = timestamppb.New(noon.Add(time.Second))
	_, err = ask.Register(t.Context(), other)
	w.mustRefuse(err, keys.Conflict)

	item := a.Record.Item
	filed := w.file(item, 3)
	again := w.file(item, 5)
	if !proto.Equal(filed, again) {
		t.Error("filing twice changed the record")
	}
	rendered := w.render(filed, "one")
	twice, err := w.client("sanitize").Layers(t.Context(), &keyringv1.Layers{Item: item, Layers: []*itemv1.Layer{w.layer(filed, view, []byte("two"))}})
	if err != nil || twice.Changed || !proto.Equal(twice.Record, rendered) {
		t.Errorf("rendering twice: %v, %v", twice, err)
	}
	desk := w.client("desk")
	one, err := desk.Ticket(t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)})
	if err != nil {
		t.Fatal(err)
	}
	two, err := desk.Ticket(t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)})
	if err != nil || two.Changed || two.Sequence != one.Sequence {
		t.Errorf("ticket twice: %v, %v", two, err)
	}
	three, err := w.client("sanitize").SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "too_late", Stage: "sanitize"})
	if err != nil || three.Changed || three.Record.State != itemv1.State_STATE_TICKETED {
		t.Errorf("set aside after the ticket: %v, %v", three, err)
	}
}

func TestARegistrationThatBreaksARuleIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	filed := w.file(w.mail("other"), 3)
	for name, c := range map[string]struct {
		change func(r *keyringv1.Register)
		want   keys.Refusal
	}{
		"no mailbox":      {func(r *keyringv1.Register) { r.Mailbox = "" }, keys.Malformed},
		"no uid":          {func(r *keyringv1.Register) { r.Uid = 0 }, keys.Malformed},
		"no raw":          {func(r *keyringv1.Register) { r.Raw = nil }, keys.WrongLayer},
		"a view":          {func(r *keyringv1.Register) { r.Raw.Kind = view }, keys.WrongLayer},
		"inline":          {func(r *keyringv1.Register) { r.Raw.Inline = []byte("x") }, keys.Malformed},
		"another object":  {func(r *keyringv1.Register) { r.Raw.Object = "raw/2026/11/21/x" }, keys.Malformed},
		"other attempt":   {func(r *keyringv1.Register) { r.Raw.Attempted.Seconds -= 2 }, keys.Malformed},
		"no digest":       {func(r *keyringv1.Register) { r.Raw.Digest = nil }, keys.Malformed},
		"ends past size":  {func(r *keyringv1.Register) { r.Raw.PacketEnds[0]++ }, keys.Malformed},
		"short packet":    {func(r *keyringv1.Register) { r.Raw.KeyPacket = r.Raw.KeyPacket[1:] }, keys.Malformed},
		"broken packet":   {func(r *keyringv1.Register) { r.Raw.KeyPacket[60] ^= 1 }, keys.Malformed},
		"broken digest":   {func(r *keyringv1.Register) { r.RawDigest[20] ^= 1 }, keys.Malformed},
		"unknown bucket":  {func(r *keyringv1.Register) { r.Raw.Bucket = "intake.raw.20261121.9" }, keys.ClosedBucket},
		"a view's bucket": {func(r *keyringv1.Register) { r.Raw.Bucket = berthOf(filed, view).Bucket }, keys.WrongLayer},
		"a filed bucket":  {func(r *keyringv1.Register) { r.Raw.Bucket = layerOf(filed, raw).Bucket }, keys.WrongLayer},
	} {
		r := w.registration(77, "hello")
		c.change(r)
		_, err := w.client("ingest").Register(t.Context(), r)
		if got, _ := keys.RefusalOf(err); got != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if n := len(w.entries.acts("register")); n != 1 {
		t.Errorf("%d registrations are in the audit log, want the one that was", n)
	}
}

func TestALateAttemptIsVoid(t *testing.T) {
	w := newWorld(t)
	w.start()
	ask := w.client("ingest")
	atLimit, past := w.registration(1, "a"), w.registration(2, "b")
	w.clock.advance(time.Hour)
	if _, err := ask.Register(t.Context(), atLimit); err != nil {
		t.Errorf("an attempt of one hour: %v", err)
	}
	w.clock.advance(time.Second)
	_, err := ask.Register(t.Context(), past)
	w.mustRefuse(err, keys.Late)

	w.clock.advance(2 * time.Minute)
	ahead := w.registration(3, "c")
	w.clock.advance(-time.Minute)
	if _, err := ask.Register(t.Context(), ahead); err != nil {
		t.Errorf("an attempt a minute ahead: %v", err)
	}
	ahead = w.registration(4, "d")
	w.clock.advance(-time.Minute - time.Second)
	_, err = ask.Register(t.Context(), ahead)
	w.mustRefuse(err, keys.Late)
}

func TestARequestMustBeItsCallersAndNew(t *testing.T) {
	w := newWorld(t)
	w.start()
	register := w.registration(1, "hello")
	body, _ := proto.Marshal(register)
	send := func(subject string, s *keyringv1.Signed) *keyringv1.Answer {
		request, _ := proto.Marshal(s)
		reply, err := w.bus.Request(t.Context(), keys.Subject+subject, request)
		if err != nil {
			t.Fatal(err)
		}
		var a keyringv1.Answer
		if err := proto.Unmarshal(reply, &a); err != nil {
			t.Fatal(err)
		}
		return &a
	}
	sign := func(service, operation string, at time.Time) *keyringv1.Signed {
		s, err := w.signers[service].Sign(operation, body, at)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tampered := sign("ingest", "register", noon)
	tampered.Body = append(tampered.Body, 0)
	stranger := newWorld(t).signers["ingest"]
	strange, _ := stranger.Sign("register", body, noon)
	for name, c := range map[string]struct {
		signed *keyringv1.Signed
		want   keys.Refusal
	}{
		"another service":   {sign("archive", "register", noon), keys.Forbidden},
		"a stranger":        {strange, keys.Forbidden},
		"another operation": {sign("ingest", "status", noon), keys.Forbidden},
		"a changed body":    {tampered, keys.Forbidden},
		"61 seconds old":    {sign("ingest", "register", noon.Add(-61*time.Second)), keys.StaleRequest},
		"61 seconds ahead":  {sign("ingest", "register", noon.Add(61*time.Second)), keys.StaleRequest},
		"nothing in it":     {&keyringv1.Signed{}, keys.Forbidden},
	} {
		if a := send("register", c.signed); a.Refusal != string(c.want) {
			t.Errorf("%s: %q, want %s", name, a.Refusal, c.want)
		}
	}
	good := sign("ingest", "register", noon.Add(-60*time.Second))
	if a := send("register", good); a.Refusal != "" {
		t.Errorf("60 seconds old: %s", a.Refusal)
	}
	if a := send("register", good); a.Refusal != string(keys.Replayed) {
		t.Errorf("sent twice: %q", a.Refusal)
	}
	w.clock.advance(90 * time.Second)
	fresh := sign("ingest", "register", w.clock.Now())
	send("register", fresh)
	w.clock.advance(59 * time.Second)
	if a := send("register", fresh); a.Refusal != string(keys.Replayed) {
		t.Errorf("sent again within its time: %q", a.Refusal)
	}
}

func TestOnlyTheServicesThatMayReachAnOperation(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	// From the contracts' table of the keyring's requests.
	may := map[string][]string{
		"register": {"ingest"}, "file": {"archive"}, "layers": {"sanitize"}, "ticket": {"desk"},
		"setaside":    {"ingest", "verify", "scan", "archive", "sanitize", "desk"},
		"open.verify": {"verify"}, "open.scan": {"scan"}, "open.sanitize": {"sanitize"},
		"open.read": {"desk"}, "open.reveal": {"desk"}, "open.breakglass": {"desk"}, "open.rebuild": {"rebuild"},
		"hold": {"desk", "retain"}, "release": {"desk", "retain"},
		"close": {"retain"}, "destroy": {"retain"}, "erase": {"retain"}, "forget": {"retain"}, "attest": {"retain"},
		"journalled": {"archive"}, "retry": {"desk", "setaside"},
	}
	for operation, services := range may {
		for service := range w.signers {
			allowed := strings.Contains(" "+strings.Join(services, " ")+" ", " "+service+" ")
			_, err := w.client(service).Ask(t.Context(), operation, &keyringv1.Open{Items: []string{item}}, &keyringv1.Status{})
			code, _ := keys.RefusalOf(err)
			if forbidden := code == keys.Forbidden; forbidden == allowed && !(allowed && strings.HasPrefix(operation, "open.")) {
				t.Errorf("%s asks for %s: %v", service, operation, err)
			}
		}
	}
}

func TestWhatIsSetAsideIsFiledUnderItsOwnClass(t *testing.T) {
	w := newWorld(t)
	w.start()
	for _, filed := range []bool{false, true} {
		item := w.mail("hello")
		if filed {
			w.file(item, 3)
		}
		got, err := w.client("scan").SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "patience_exhausted", Stage: "scan"})
		if err != nil || !got.Changed {
			t.Fatal(err)
		}
		r := got.Record
		// The standard policy keeps set_aside for 90 days by day: received at noon of 21
		// November, 90 days later is noon of 19 February, whose end it falls due at.
		if r.State != itemv1.State_STATE_SET_ASIDE || r.Class != "set_aside" || r.SetAside.Code != "patience_exhausted" || layerOf(r, raw).Bucket != "set_aside.raw.20270219.1" {
			t.Errorf("%v", r)
		}
		w.mustOpen(item, raw, "hello")
	}
	_, err := w.client("scan").SetAside(t.Context(), &keyringv1.SetAside{Item: w.mail("x"), Code: "Not A Code", Stage: "scan"})
	w.mustRefuse(err, keys.Malformed)
}

func TestLayersMustBeSealedToTheirBerths(t *testing.T) {
	w := newWorld(t)
	w.start()
	r := w.file(w.mail("one"), 3)
	other := w.file(w.mail("two"), 4)
	big := w.layer(r, view, make([]byte, inlineLimit))
	fits := w.layer(r, view, make([]byte, inlineLimit-200))
	for name, c := range map[string]struct {
		layers []*itemv1.Layer
		want   keys.Refusal
	}{
		"no view":              {[]*itemv1.Layer{w.layer(r, pii, []byte("x"))}, keys.Malformed},
		"view twice":           {[]*itemv1.Layer{fits, fits}, keys.Malformed},
		"raw":                  {[]*itemv1.Layer{{Kind: raw}}, keys.WrongLayer},
		"over the inline size": {[]*itemv1.Layer{big}, keys.Malformed},
		"neither inline nor object": {[]*itemv1.Layer{func() *itemv1.Layer {
			l := proto.CloneOf(fits)
			l.Inline = nil
			return l
		}()}, keys.Malformed},
		"another's packet": {[]*itemv1.Layer{func() *itemv1.Layer {
			l := proto.CloneOf(fits)
			l.KeyPacket = w.layer(other, view, []byte("x")).KeyPacket
			return l
		}()}, keys.Malformed},
		"pii in view's bucket": {[]*itemv1.Layer{fits, func() *itemv1.Layer {
			l := w.layer(r, pii, []byte("x"))
			l.Bucket = fits.Bucket
			return l
		}()}, keys.WrongLayer},
	} {
		_, err := w.client("sanitize").Layers(t.Context(), &keyringv1.Layers{Item: r.Item, Layers: c.layers})
		if got, _ := keys.RefusalOf(err); got != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := w.client("sanitize").Layers(t.Context(), &keyringv1.Layers{Item: r.Item, Layers: []*itemv1.Layer{fits}}); err != nil {
		t.Errorf("a view alone, as large as may be: %v", err)
	}
}

// Whatever changes a record was told before: a record that cannot be written has its act,
// and an act that cannot be told has no record.
func TestAnActIsToldBeforeItIsDone(t *testing.T) {
	w := newWorld(t)
	w.start()
	ingest, archive := w.client("ingest"), w.client("archive")
	told := func(action string) int { return len(w.entries.acts(action)) }
	r := w.registration(1, "hello")
	item := event.Item("support", "INBOX", 7, 1, 0)
	filing := &keyringv1.File{Item: item, Class: "customer", Dues: dues(30)}
	for _, step := range []struct {
		action string
		do     func() error
	}{
		{"register", func() error { _, err := ingest.Register(t.Context(), r); return err }},
		{"file", func() error { _, err := archive.File(t.Context(), filing); return err }},
		{"set_aside", func() error {
			_, err := archive.SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "broken", Stage: "archive"})
			return err
		}},
	} {
		before := w.records.puts
		w.entries.refuses(true)
		if err := step.do(); err == nil || w.records.puts != before {
			t.Errorf("%s: it was done and could not be told (%v)", step.action, err)
		}
		w.entries.refuses(false)
		w.records.mu.Lock()
		w.records.failAt = w.records.puts + 1
		w.records.mu.Unlock()
		if err := step.do(); err == nil || told(step.action) != 1 {
			t.Errorf("%s: told %d times before it is done (%v)", step.action, told(step.action), err)
		}
		if err := step.do(); err != nil || told(step.action) != 2 {
			t.Errorf("%s: told %d times in two attempts: %v", step.action, told(step.action), err)
		}
		if err := step.do(); err != nil || told(step.action) != 2 {
			t.Errorf("%s: a repeat that does nothing is told: %v", step.action, err)
		}
	}
}

func TestAnAnswerThatWasLostIsRepeated(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		w.start()
		w.records.mu.Lock()
		w.records.failAt, w.records.after = 1, after
		w.records.mu.Unlock()
		r := w.registration(1, "hello")
		if _, err := w.client("ingest").Register(t.Context(), r); err == nil {
			t.Fatal("a lost write was answered")
		}
		got, err := w.client("ingest").Register(t.Context(), r)
		if err != nil || got.Changed == after {
			t.Errorf("took effect %v: %v, %v", after, got, err)
		}
		w.mustOpen(got.Record.Item, raw, "hello")
	}
}

func TestADueDateEndsWithItsPeriod(t *testing.T) {
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, s); return v }
	for _, c := range []struct {
		due  string
		days int32
		want string
	}{
		{"2026-11-24T00:00:00Z", 1, "20261123"}, // midnight ends the day before
		{"2026-11-24T00:00:01Z", 1, "20261124"},
		{"2026-11-24T23:59:59Z", 1, "20261124"},
		// Day 20780 since 1970 is 23 November 2026; 7-day periods end with days 20782, 20789.
		{"2026-11-24T00:00:00Z", 7, "20261125"},
		{"2026-11-26T00:00:00Z", 7, "20261125"},
		{"2026-11-26T00:00:01Z", 7, "20261202"},
	} {
		if got := lastDayOf(at(c.due), c.days); got != c.want {
			t.Errorf("%s by %d days: %s, want %s", c.due, c.days, got, c.want)
		}
	}
}

func TestOneAuthorHasOnePseudonymHoweverTheAddressIsWritten(t *testing.T) {
	for _, form := range []string{"jane@example.org", " Jane@Example.ORG ", "Jane Doe <JANE@example.org>", "jane@example.org."} {
		if got := normalAddress(form); got != "jane@example.org" {
			t.Errorf("%q becomes %q", form, got)
		}
	}
}
