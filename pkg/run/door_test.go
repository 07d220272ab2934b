package run_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/run"
)

// marker is a word that a mail may hold, and no line of a log.
const marker = "Klabautermann"

// loggers write to out in each format, and as services are given them.
func loggers(t *testing.T, out io.Writer) []*slog.Logger {
	t.Helper()
	var all []*slog.Logger
	for _, format := range []string{"json", "text"} {
		log, err := run.NewLogger(out, run.LogConfig{Level: "debug", Format: format})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, log, log.With("mailbox", "support"), log.WithGroup("group"))
	}
	return all
}

// quoting are errors of decoders and others, which repeat what they were given.
func quoting() map[string]error {
	var number int
	_, err1 := strconv.Atoi(marker)
	_, err2 := time.Parse(time.RFC1123Z, marker)
	_, err3 := url.Parse(strings.Join([]string{"http://[", marker}, ""))
	err4 := json.Unmarshal([]byte(`"`+marker+`"`), &number)
	_, err5 := mail.ParseAddress(marker)
	_, err6 := textproto.NewReader(bufio.NewReader(strings.NewReader(marker + "\r\n\r\n"))).ReadMIMEHeader()
	_, _, err7 := mime.ParseMediaType("text/" + marker + "; =")
	_, err8 := base64.StdEncoding.DecodeString(marker + "!")
	_, err9 := hex.DecodeString(marker)
	err10 := yaml.Unmarshal([]byte(marker), &number)
	err11 := xml.Unmarshal([]byte("<"+marker+"></other>"), &struct{}{})
	_, err12 := new(net.Resolver).LookupPort(context.Background(), "tcp", marker)
	return map[string]error{
		"a number": err1, "a date": err2, "a URL": err3, "JSON": err4, "an address": err5, "a header": err6, "a type": err7,
		"base64": err8, "hex": err9, "YAML": err10, "XML": err11, "a port": err12,
		"a name":  &net.DNSError{Err: "no such host", Name: marker + ".example", IsNotFound: true},
		"dialled": &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: marker + ".example"}},
		"quoted":  fmt.Errorf("sender %q: %w", marker, io.ErrUnexpectedEOF),
		"cut off": errors.New(`sender "` + marker + ` and what follows`),
		"an addr": fmt.Errorf("sender %s@example.com: refused", marker),
		"foreign": fmt.Errorf("sender %s: refused", "Ö"+marker),
		"a fault": fault.FinalFor(err1, "unreadable"),
		"joined":  errors.Join(io.EOF, fmt.Errorf("part 2: %w", err2)),
		"hidden":  disguised{err1},
		"panics":  (*panicking)(nil),
	}
}

// disguised is an error that says more than its cause.
type disguised struct{ cause error }

func (d disguised) Error() string { return `a number: "` + marker + `"` }
func (d disguised) Unwrap() error { return d.cause }

type panicking struct{ text string }

func (p *panicking) Error() string { return p.text + marker }

type stringer struct{}

func (stringer) String() string { return marker }

type named string

func TestNoWordOfAMailLeavesByTheLog(t *testing.T) {
	var out bytes.Buffer
	keys := []string{
		"subject", "from", "name", "item", "event", "trace", "ticket", "plan", "certificate", "bucket", "stream", "operation",
		"code", "stage", "service", "consumer", "outcome", "state", "mailbox", "address", "base_url", "msg", "",
	}
	values := []any{
		marker, named(marker), stringer{}, []byte(marker), []string{marker}, map[string]string{"k": marker}, struct{ S string }{marker},
		&struct{ S string }{marker}, json.RawMessage(`"` + marker + `"`), errors.New(marker), slog.GroupValue(slog.String("from", marker)),
	}
	for _, log := range loggers(t, &out) {
		for _, key := range keys {
			for _, value := range values {
				log.Info("mail seen", key, value)
				log.With(key, value).Warn("mail seen")
				log.WithGroup("deep").Error("mail seen", slog.Group("deeper", slog.Any(key, value)))
			}
		}
		for name, err := range quoting() {
			if err == nil {
				t.Fatalf("%s is no error", name)
			}
			log.Error("mail not read", "err", err)
			log.Error("mail not read", "err", fmt.Errorf("item %s: %w", strings.Repeat("a", 64), err))
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, marker) || strings.Contains(line, "a2xhYmF1dGVybWFubg") {
			t.Errorf("it is in the log: %s", line)
		}
	}
}

func TestNumbersOfPeopleDoNotLeaveInErrors(t *testing.T) {
	var out bytes.Buffer
	for _, log := range loggers(t, &out) {
		for _, number := range []string{"4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "+491701234567", "DE89370400440532013000"} {
			log.Error("mail not read", "err", fmt.Errorf("value %s: refused", number))
		}
	}
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(line, "value ‹…›") {
			t.Errorf("a number is in the log: %s", line)
		}
	}
}

// Digits are taken out of sentences alone: what is a number itself is no mail's.
func TestANumberIsWrittenWholeHoweverLongItIs(t *testing.T) {
	type fraction float64
	type amount int64
	moment := time.Date(2026, 11, 22, 3, 44, 39, 123456789, time.UTC)
	for _, c := range []struct {
		value any
		want  string // in JSON
	}{
		{uint64(math.MaxUint64), "18446744073709551615"}, {int64(math.MinInt64), "-9223372036854775808"},
		{104_857_601, "104857601"}, {amount(123_456_789_012), "123456789012"}, {uint32(4_111_111_111), "4111111111"},
		{moment, `"2026-11-22T03:44:39.123456789Z"`}, {1234567891011 * time.Nanosecond, "1234567891011"},
		{1234567890.125, "1234567890.125"}, {fraction(0.125), "0.125"}, {float32(0.5), "0.5"},
		{math.NaN(), `"NaN"`}, {math.Inf(1), `"+Inf"`}, {math.Inf(-1), `"-Inf"`}, {fraction(math.Inf(1)), `"+Inf"`}, {float32(math.Inf(-1)), `"-Inf"`},
	} {
		for _, key := range []string{"took", "sequence", "err", "item", "size"} {
			var out bytes.Buffer
			log, err := run.NewLogger(&out, run.LogConfig{Level: "info", Format: "json"})
			if err != nil {
				t.Fatal(err)
			}
			log.With("group", slog.GroupValue(slog.Any(key, c.value))).Info("something happened", key, c.value)
			if want := fmt.Sprintf("%q:%s", key, c.want); strings.Count(out.String(), want) != 2 {
				t.Errorf("%v under %s: %s", c.value, key, out.String())
			}
		}
	}
	var out bytes.Buffer
	log, err := run.NewLogger(&out, run.LogConfig{Level: "info", Format: "text"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("something happened", "took", 1234567891011*time.Nanosecond, "share", math.NaN(), "from", moment)
	if !strings.Contains(out.String(), "took=20m34.567891011s share=NaN from=2026-11-22T03:44:39.123Z") {
		t.Error(out.String())
	}
}

func TestWhatOperatorsNeedPassesAsItIs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, refused := net.Dial("tcp", address)
	item, missing := strings.Repeat("0123456789abcdef", 4), filepath.Join(t.TempDir(), "root.cell")
	_, absent := os.Open(missing)
	ended, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"item", item, item},
		{"event", item[:32], item[:32]},
		{"ticket", "T" + item[:20], "T" + item[:20]},
		{"plan", "P2030181920152742ffa7", "P2030181920152742ffa7"},
		{"bucket", "customer.raw.20261122.3", "customer.raw.20261122.3"},
		{"bucket", "journal.journal", "journal.journal"},
		{"stream", "ITEMS", "ITEMS"},
		{"subject", "items." + item, "items." + item},
		{"subject", "$JS.API.STREAM.INFO.ITEMS", "$JS.API.STREAM.INFO.ITEMS"},
		{"code", named("killed_worker"), "killed_worker"},
		{"operation", "open.verify", "open.verify"},
		{"mailbox", "support-eu", "support-eu"},
		{"folder", "Kunden/Öffentlich", "Kunden/Öffentlich"},
		{"page", "GET /tickets/{ticket}/files/{index}", "GET /tickets/{ticket}/files/{index}"},
		{"address", "127.0.0.1:8080", "127.0.0.1:8080"},
		{"address", "[::]:8080", "[::]:8080"},
		{"address", "[fe80::1%eth0]:8080", "[fe80::1%eth0]:8080"},
		{"address", "erika@example.com:25", "‹withheld›"},
		{"base_url", "https://desk.example.com:8443/postern", "https://desk.example.com:8443/postern"},
		{"base_url", "https://erika:secret@desk.example.com", "‹withheld›"},
		{"base_url", "https://desk.example.com/?q=erika", "‹withheld›"},
		{"took", 1500 * time.Millisecond, "1.5s"},
		{"uid", uint32(4111), "4111"},
		{"err", refused, "dial tcp " + address + ": connect: connection refused"},
		{"err", fmt.Errorf("keyring state: %w", absent), "keyring state: open " + missing + ": no such file or directory"},
		{"err", fmt.Errorf("item %s: %w", item, fault.LaterFor(ended.Err(), 0, "object_store_down")), "item " + item + ": later: object_store_down: context deadline exceeded"},
		{"err", errors.Join(syscall.ENOSPC, io.ErrUnexpectedEOF), "no space left on device\nunexpected EOF"},
		{"err", fmt.Errorf("object raw/2026/11/22/%s.01m80g5kehm910mcy9snqcb8s4: status 503", item), "object raw/2026/11/22/" + item + ".01m80g5kehm910mcy9snqcb8s4: status 503"},
		{"err", fmt.Errorf("mailbox %q: %w", "support", strconvError()), "mailbox ‹…›: ‹strconv.NumError›: invalid syntax"},
		{"err", "a sentence of the bus", "a sentence of the bus"},
		{"stack", "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d", "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d"},
	} {
		var out bytes.Buffer
		log, err := run.NewLogger(&out, run.LogConfig{Level: "info", Format: "json"})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("something happened", c.key, c.value)
		line := map[string]any{}
		decoder := json.NewDecoder(&out)
		decoder.UseNumber()
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(line[c.key])
		if length, is := c.value.(time.Duration); is && got == strconv.FormatInt(int64(length), 10) {
			got = length.String()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.key, got, c.want)
		}
	}
}

func strconvError() error {
	_, err := strconv.Atoi(marker)
	return err
}

func TestASecretOfTheConfigurationIsNotLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(marker), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := config.Secret(path).Read()
	if err != nil || secret.Value() != marker {
		t.Fatalf("%q, %v", secret.Value(), err)
	}
	var out bytes.Buffer
	for _, log := range loggers(t, &out) {
		log.Info("signed in", "code", secret, "err", secret, "secret", secret, "all", []any{secret})
	}
	if strings.Contains(out.String(), marker) {
		t.Errorf("it is in the log:\n%s", out.String())
	}
}

// BenchmarkTheLineOfAnEvent is what each mail writes six of.
func BenchmarkTheLineOfAnEvent(b *testing.B) {
	item := strings.Repeat("0123456789abcdef", 4)
	attrs := []slog.Attr{
		slog.String("stage", "verify"), slog.String("event", item[:32]), slog.String("item", item), slog.String("outcome", "ok"),
		slog.Uint64("delivery", 1), slog.Duration("took", 1234567), slog.String("code", "object_store_down"),
	}
	log, err := run.NewLogger(io.Discard, run.LogConfig{Level: "info", Format: "json"})
	if err != nil {
		b.Fatal(err)
	}
	through := map[string]*slog.Logger{"through the door": log, "past it": slog.New(slog.NewJSONHandler(io.Discard, nil))}
	for name, log := range through {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelInfo, "event handled", attrs...)
			}
		})
	}
	b.Run("with an error", func(b *testing.B) {
		err := fmt.Errorf("item %s: %w", item, fault.LaterFor(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, 0, "object_store_down"))
		for b.Loop() {
			log.LogAttrs(context.Background(), slog.LevelWarn, "event given back", slog.Any("err", err))
		}
	})
}
