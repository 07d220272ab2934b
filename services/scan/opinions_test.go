package scan_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/clam/clamtest"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/services/scan"
)

// fixed is a version that a test sets.
type fixed string

func (f *fixed) Current() string { return string(*f) }

// counted counts what it is asked.
type counted struct {
	asked int
	say   func(content string) (attachment.Opinion, error)
	short int // bytes it reads; 0: all
}

func (c *counted) Scan(_ context.Context, r io.Reader) (attachment.Opinion, error) {
	c.asked++
	if c.short > 0 {
		r = io.LimitReader(r, int64(c.short))
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return attachment.Opinion{}, err
	}
	if c.say == nil {
		return attachment.Opinion{Verdict: attachment.Clean}, nil
	}
	return c.say(string(content))
}

func saying(o attachment.Opinion) func(string) (attachment.Opinion, error) {
	return func(string) (attachment.Opinion, error) { return o, nil }
}

func known(o *scan.Opinions, content string) bool {
	_, ok := o.Known(sha256.Sum256([]byte(content)))
	return ok
}

func asks(t *testing.T, o *scan.Opinions, content string) {
	t.Helper()
	if _, err := o.Scan(t.Context(), strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func TestAnOpinionIsRememberedWithItsSignaturesAndNoLonger(t *testing.T) {
	version, from, meters := fixed("one"), &counted{}, prometheus.NewRegistry()
	o := scan.NewOpinions(from, &version, 10, meters)
	asks(t, o, "a file")
	if !known(o, "a file") || known(o, "another") {
		t.Error("what was asked is not what is known")
	}
	version = "two"
	if known(o, "a file") {
		t.Error("an opinion outlives its signatures")
	}
	version = "one"
	if known(o, "a file") {
		t.Error("it comes back with them")
	}
	version = ""
	asks(t, o, "a file")
	if known(o, "a file") {
		t.Error("something is remembered of signatures that nobody knows")
	}
	want := "# HELP postern_scan_opinions_total Second opinions on parts of mails: remembered, or asked for.\n# TYPE postern_scan_opinions_total counter\n" +
		"postern_scan_opinions_total{from=\"clamd\"} 2\npostern_scan_opinions_total{from=\"memory\"} 1\n"
	if err := testutil.GatherAndCompare(meters, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestOnlyAnOpinionOfTheWholeFileIsRemembered(t *testing.T) {
	for name, from := range map[string]*counted{
		"an error":                   {say: func(string) (attachment.Opinion, error) { return attachment.Opinion{}, errors.New("away") }},
		"a limit":                    {say: saying(attachment.Opinion{Verdict: attachment.Limit, Reason: attachment.ScannerLimit})},
		"an error that is a verdict": {say: saying(attachment.Opinion{Verdict: attachment.Error, Reason: attachment.ScannerUnavailable})},
		"one of the beginning":       {short: 3, say: saying(attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature})},
	} {
		version := fixed("one")
		o := scan.NewOpinions(from, &version, 10, nil)
		_, _ = o.Scan(t.Context(), strings.NewReader("a file"))
		if known(o, "a file") || known(o, "a f") {
			t.Errorf("%s is remembered", name)
		}
	}
	for _, opinion := range []attachment.Opinion{
		{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Eicar"},
		{Verdict: attachment.Encrypted, Reason: attachment.EncryptedArchive, Signature: "Heuristics.Encrypted.Zip"},
	} {
		version := fixed("one")
		o := scan.NewOpinions(&counted{say: saying(opinion)}, &version, 10, nil)
		asks(t, o, "a file")
		if got, ok := o.Known(sha256.Sum256([]byte("a file"))); !ok || got != opinion {
			t.Errorf("%+v, %v, said was %+v", got, ok, opinion)
		}
	}
}

func TestAnOpinionThatSignaturesChangedUnderIsNotRemembered(t *testing.T) {
	version := fixed("one")
	o := scan.NewOpinions(&counted{say: func(string) (attachment.Opinion, error) {
		version = "two"
		return attachment.Opinion{Verdict: attachment.Clean}, nil
	}}, &version, 10, nil)
	asks(t, o, "a file")
	if known(o, "a file") {
		t.Error("it is remembered as one of the new signatures")
	}
}

func TestWhatWasAskedForLongestAgoIsForgottenFirst(t *testing.T) {
	for _, most := range []int{0, 1, 3} {
		version := fixed("one")
		o := scan.NewOpinions(&counted{}, &version, most, nil)
		for i := range most {
			asks(t, o, fmt.Sprint(i))
		}
		for i := range most { // at the limit all are there, and the first is now the oldest
			if !known(o, fmt.Sprint(i)) {
				t.Errorf("of %d the one numbered %d is forgotten", most, i)
			}
		}
		asks(t, o, "one more")
		if known(o, "one more") != (most > 0) {
			t.Errorf("of %d: the newest", most)
		}
		if most > 0 && known(o, "0") {
			t.Errorf("of %d: one past the limit is remembered", most)
		}
		for i := 1; i < most; i++ {
			if !known(o, fmt.Sprint(i)) {
				t.Errorf("of %d: that numbered %d was forgotten too", most, i)
			}
		}
	}
}

func TestTheConfinedAskForWhatIsKnownWithADigestAlone(t *testing.T) {
	version, from := fixed("one"), &counted{say: func(content string) (attachment.Opinion, error) {
		if strings.Contains(content, "bad") {
			return attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Bad"}, nil
		}
		return attachment.Opinion{Verdict: attachment.Clean}, nil
	}}
	o := scan.NewOpinions(from, &version, 10, nil)
	judge := scan.Confined(pool(t, confine.Room{}), attachment.Options{SecondOpinion: o}, mail.DefaultLimits)
	message := mail.Parse([]byte(raw), mail.DefaultLimits)
	want := asJSON(t, scan.Judge(t.Context(), message, attachment.Options{SecondOpinion: from}))
	parts := from.asked
	for round := range 3 {
		report, err := judge(t.Context(), message)
		if err != nil || asJSON(t, report) != want {
			t.Errorf("round %d: %v\n%s\n%s", round, err, asJSON(t, report), want)
		}
		if from.asked != 2*parts {
			t.Errorf("round %d: %d were asked for, of %d parts", round, from.asked-parts, parts)
		}
	}
	version = "two"
	if _, err := judge(t.Context(), message); err != nil || from.asked != 3*parts {
		t.Errorf("with new signatures %d are asked for, %v", from.asked-2*parts, err)
	}
}

type source func() (string, error)

func (s source) Signatures(context.Context) (string, error) { return s() }

func TestAVersionThatCannotBeToldIsNone(t *testing.T) {
	say, fails := "one", error(nil)
	meters := prometheus.NewRegistry()
	s := scan.NewSignatures(source(func() (string, error) { return say, fails }), slog.New(slog.DiscardHandler), meters)
	knows := func(want int) {
		t.Helper()
		told := fmt.Sprintf("# HELP postern_scan_signatures_known 1 where clamd tells which signatures it has, else 0: then nothing is remembered and nothing scanned anew.\n"+
			"# TYPE postern_scan_signatures_known gauge\npostern_scan_signatures_known %d\n", want)
		if err := testutil.GatherAndCompare(meters, strings.NewReader(told)); err != nil {
			t.Error(err)
		}
	}
	knows(0)
	if s.Current() != "" {
		t.Error("something is known before anybody asked")
	}
	if s.Look(t.Context()); s.Current() != "one" {
		t.Errorf("%q", s.Current())
	}
	knows(1)
	fails = errors.New("away")
	if s.Look(t.Context()); s.Current() != "" {
		t.Errorf("of a clamd that is away: %q", s.Current())
	}
	knows(0)
	none := scan.NewSignatures(nil, slog.New(slog.DiscardHandler), meters)
	if none.Look(t.Context()); none.Current() != "" {
		t.Errorf("without a source: %q", none.Current())
	}
}

// BenchmarkOpinions scans one mail confined: without a second opinion, with clamd asked each time, and with
// clamd's opinion remembered.
func BenchmarkOpinions(b *testing.B) {
	client, err := clam.New(clamtest.Start(b), clam.Options{})
	if err != nil {
		b.Fatal(err)
	}
	message := mail.Parse([]byte(raw), mail.DefaultLimits)
	version := fixed("one")
	for _, shape := range []struct {
		name   string
		second attachment.SecondOpinion
	}{{"without", nil}, {"clamd", client}, {"remembered", scan.NewOpinions(client, &version, 10, nil)}} {
		judge := scan.Confined(pool(b, confine.Room{}), attachment.Options{SecondOpinion: shape.second}, mail.DefaultLimits)
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				report, err := judge(b.Context(), message)
				if err != nil || report.Unavailable != nil {
					b.Fatal(err, report.Unavailable)
				}
			}
		})
	}
}
