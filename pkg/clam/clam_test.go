package clam

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
)

// serve runs a server that handles each connection by script and gives a client
// of it.
func serve(t testing.TB, script func(net.Conn)) *Client {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				script(conn)
			}()
		}
	}()
	client, err := New("unix:"+listener.Addr().String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// readStream reads a command and, of INSTREAM, all chunks; ok is false where the
// stream did not come to its end.
func readStream(conn net.Conn) (command string, body []byte, ok bool) {
	one := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, one); err != nil {
			return command, nil, false
		}
		if one[0] == 0 {
			break
		}
		command += string(one)
	}
	if command != "zINSTREAM" {
		return command, nil, true
	}
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(conn, head); err != nil {
			return command, body, false
		}
		n := binary.BigEndian.Uint32(head)
		if n == 0 {
			return command, body, true
		}
		chunk := make([]byte, n)
		if _, err := io.ReadFull(conn, chunk); err != nil {
			return command, body, false
		}
		body = append(body, chunk...)
	}
}

// answer is a server that reads a whole stream and then says reply.
func answer(reply string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, _, ok := readStream(conn); ok {
			io.WriteString(conn, reply)
		}
	}
}

func TestOnlyTheExactAnswerIsClean(t *testing.T) {
	opinion, err := serve(t, answer("stream: OK\x00")).Scan(t.Context(), strings.NewReader("x"))
	if err != nil || opinion.Verdict != attachment.Clean || opinion.Reason != "" {
		t.Fatalf("got %+v, %v", opinion, err)
	}
	for _, reply := range []string{
		"", "\x00", "stream: OK", "stream: OK\n", "stream: OK\x00\x00", "stream: OK \x00", " stream: OK\x00", "stream: ok\x00",
		"Stream: OK\x00", "stream: OK\x00stream: X FOUND\x00", "stream: O", "OK\x00", "1: stream: OK\x00", "stream: OK FOUND ERROR\x00",
		"stream: \x00", "stream:  FOUND\x00", "UNKNOWN COMMAND\x00", "stream: Can't allocate memory ERROR\x00", "COMMAND READ TIMED OUT\x00",
		"stream: A\tB FOUND\x00", "stream: Ä FOUND\x00", strings.Repeat("stream: OK", 1000) + "\x00",
	} {
		opinion, err := serve(t, answer(reply)).Scan(t.Context(), strings.NewReader("x"))
		if err == nil || opinion.Verdict != "" {
			t.Errorf("%.40q gave %+v, %v; want an error", reply, opinion, err)
		}
	}
}

func TestWhatIsFoundIsNamed(t *testing.T) {
	for name, wanted := range map[string]struct {
		verdict attachment.Verdict
		reason  attachment.Reason
	}{
		"Win.Trojan.Agent-1":                     {attachment.Infected, attachment.ScannerSignature},
		"Eicar-Test-Signature":                   {attachment.Infected, attachment.ScannerSignature},
		"Heuristics.Never.Heard.Of":              {attachment.Infected, attachment.ScannerSignature},
		"Heuristics.Encrypted.Zip":               {attachment.Encrypted, attachment.EncryptedArchive},
		"Heuristics.Encrypted.7Zip":              {attachment.Encrypted, attachment.EncryptedArchive},
		"Heuristics.Encrypted.PDF":               {attachment.Encrypted, attachment.EncryptedDocument},
		"Heuristics.Limits.Exceeded.MaxFileSize": {attachment.Limit, attachment.ScannerLimit},
		"Heuristics.OLE2.ContainsMacros.VBA":     {attachment.Suspicious, attachment.VBAMacro},
		"PUA.Win.Packer.Upx-1":                   {attachment.Suspicious, attachment.ScannerSuspicion},
	} {
		opinion, err := serve(t, answer("stream: "+name+" FOUND\x00")).Scan(t.Context(), strings.NewReader("x"))
		if err != nil || opinion.Verdict != wanted.verdict || opinion.Reason != wanted.reason || opinion.Signature != name {
			t.Errorf("%s gave %+v, %v", name, opinion, err)
		}
		if opinion.Reason.Verdict() != opinion.Verdict {
			t.Errorf("%s: verdict and reason disagree", name)
		}
	}
}

func TestClamdGetsEveryByte(t *testing.T) {
	for _, size := range []int{0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3*chunkBytes + 7} {
		content := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		got := make(chan []byte, 1)
		client := serve(t, func(conn net.Conn) {
			_, body, ok := readStream(conn)
			if ok {
				io.WriteString(conn, "stream: OK\x00")
			}
			got <- body
		})
		if _, err := client.Scan(t.Context(), bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if body := <-got; !bytes.Equal(body, content) {
			t.Errorf("of %d bytes it got %d", size, len(body))
		}
	}
}

type failingReader struct {
	content []byte
	err     error
}

func (f *failingReader) Read(p []byte) (int, error) {
	if len(f.content) > 0 {
		n := copy(p, f.content)
		f.content = f.content[n:]
		return n, nil
	}
	return 0, f.err
}

func TestASourceThatFailsIsNeverAVerdict(t *testing.T) {
	broken := errors.New("broken source")
	ended := make(chan bool, 1)
	client := serve(t, func(conn net.Conn) {
		_, _, ok := readStream(conn)
		ended <- ok
		io.WriteString(conn, "stream: OK\x00")
	})
	opinion, err := client.Scan(t.Context(), &failingReader{[]byte("half of it"), broken})
	if !errors.Is(err, broken) || opinion.Verdict != "" {
		t.Errorf("got %+v, %v", opinion, err)
	}
	if <-ended {
		t.Error("the stream was ended as if it were whole")
	}
}

func TestASourceThatFailsIsNoVerdictEvenIfClamdAnsweredEarly(t *testing.T) {
	said := make(chan struct{})
	client := serve(t, func(conn net.Conn) {
		io.WriteString(conn, "stream: OK\x00")
		close(said)
		readStream(conn)
	})
	opinion, err := client.Scan(t.Context(), readerFunc(func([]byte) (int, error) { <-said; return 0, io.ErrUnexpectedEOF }))
	if !errors.Is(err, io.ErrUnexpectedEOF) || opinion.Verdict != "" {
		t.Errorf("got %+v, %v", opinion, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestASourceThatNeverEndsNorComesIsAnError(t *testing.T) {
	_, err := serve(t, answer("stream: OK\x00")).Scan(t.Context(), readerFunc(func([]byte) (int, error) { return 0, nil }))
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

// closesEarly answers after the command and closes without reading the stream.
func closesEarly(reply string) func(net.Conn) {
	return func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, len("zINSTREAM\x00")))
		io.WriteString(conn, reply)
	}
}

// large is more than socket buffers hold, so that writing it must fail.
func large() io.Reader { return io.LimitReader(endless{}, 64<<20) }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAnAnswerBeforeTheEndOfTheStreamIsReadAndNeverClean(t *testing.T) {
	opinion, err := serve(t, closesEarly("INSTREAM size limit exceeded. ERROR\x00")).Scan(t.Context(), large())
	if err != nil || opinion.Verdict != attachment.Limit || opinion.Reason != attachment.ScannerLimit {
		t.Errorf("size limit gave %+v, %v", opinion, err)
	}
	opinion, err = serve(t, closesEarly("stream: Win.Test FOUND\x00")).Scan(t.Context(), large())
	if err != nil || opinion.Verdict != attachment.Infected {
		t.Errorf("found gave %+v, %v", opinion, err)
	}
	for _, reply := range []string{"stream: OK\x00", "", "nonsense"} {
		opinion, err := serve(t, closesEarly(reply)).Scan(t.Context(), large())
		if err == nil || opinion.Verdict != "" {
			t.Errorf("%q before the end gave %+v, %v; want an error", reply, opinion, err)
		}
	}
}

func TestAConnectionCutAtAnyByteIsAnError(t *testing.T) {
	// The stream of "hello" has 10 bytes of command, 4 of length, 5 of content
	// and 4 of end.
	for cut := range 23 {
		client := serve(t, func(conn net.Conn) { io.ReadFull(conn, make([]byte, cut)) })
		opinion, err := client.Scan(t.Context(), strings.NewReader("hello"))
		if err == nil || opinion.Verdict != "" {
			t.Errorf("cut after %d bytes gave %+v, %v", cut, opinion, err)
		}
	}
	whole := "stream: OK\x00"
	for cut := range len(whole) {
		opinion, err := serve(t, answer(whole[:cut])).Scan(t.Context(), strings.NewReader("hello"))
		if err == nil || opinion.Verdict != "" {
			t.Errorf("answer %q gave %+v, %v", whole[:cut], opinion, err)
		}
	}
}

func TestAClamdThatNeverAnswersEndsWithTheContext(t *testing.T) {
	client := serve(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithCancel(t.Context())
	read := make(chan struct{})
	go func() { <-read; cancel() }()
	opinion, err := client.Scan(ctx, readerFunc(func([]byte) (int, error) { close(read); return 0, io.EOF }))
	if !errors.Is(err, context.Canceled) || opinion.Verdict != "" {
		t.Errorf("got %+v, %v", opinion, err)
	}
}

func TestAClamdThatNeverAnswersEndsWithTheTimeout(t *testing.T) {
	hang := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	client := serve(t, hang)
	client.options.Timeout = time.Millisecond
	if opinion, err := client.Scan(t.Context(), strings.NewReader("x")); err == nil || opinion.Verdict != "" {
		t.Errorf("got %+v, %v", opinion, err)
	}
	if err := client.Ping(t.Context()); err == nil {
		t.Error("a ping without an answer succeeded")
	}
}

func TestCommandsWaitForASlotAndGiveUpWithTheContext(t *testing.T) {
	client := serve(t, answer("stream: OK\x00"))
	for range cap(client.slots) {
		client.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Scan(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range cap(client.slots) {
		<-client.slots
	}
	for range 2 * cap(client.slots) { // every command gives its slot back
		if _, err := client.Scan(t.Context(), strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoClamdIsAnError(t *testing.T) {
	client, err := New("unix:"+filepath.Join(t.TempDir(), "absent"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if opinion, err := client.Scan(t.Context(), strings.NewReader("x")); err == nil || opinion.Verdict != "" {
		t.Errorf("got %+v, %v", opinion, err)
	}
	if client.Ping(t.Context()) == nil {
		t.Error("a ping to nobody succeeded")
	}
	if _, err := client.Version(t.Context()); err == nil {
		t.Error("nobody has a version")
	}
}

func TestAddressesAreReadStrictly(t *testing.T) {
	for address, wanted := range map[string][2]string{
		"unix:/run/clamd.sock": {"unix", "/run/clamd.sock"},
		"tcp:127.0.0.1:3310":   {"tcp", "127.0.0.1:3310"},
		"tcp:[::1]:3310":       {"tcp", "[::1]:3310"},
	} {
		client, err := New(address, Options{})
		if err != nil || client.network != wanted[0] || client.address != wanted[1] {
			t.Errorf("%s gave %+v, %v", address, client, err)
		}
	}
	for _, address := range []string{"", "unix", "unix:", "tcp:", "tcp:localhost", "tcp::3310", "tcp:host:", "udp:a:1", "/run/clamd.sock", "None", "none:"} {
		if client, err := New(address, Options{}); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%q gave %+v, %v; want an error", address, client, err)
		}
	}
	if _, err := New("none", Options{}); !errors.Is(err, ErrNone) {
		t.Errorf("none gave %v", err)
	}
}

func TestPingAndVersionReadTheirAnswersStrictly(t *testing.T) {
	if err := serve(t, answer("PONG\x00")).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := serve(t, answer("PING\x00")).Ping(t.Context()); err == nil {
		t.Error("PING is no answer to PING")
	}
	version, err := serve(t, answer("ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026\x00")).Version(t.Context())
	if err != nil || version != "ClamAV 1.4.6/27800/Fri Oct 10 08:00:00 2026" {
		t.Errorf("got %q, %v", version, err)
	}
	if _, err := serve(t, answer("nginx\x00")).Version(t.Context()); err == nil {
		t.Error("nginx is no version of clamd")
	}
}

func FuzzOpinionOf(f *testing.F) {
	for _, seed := range []string{"stream: OK", "stream: X FOUND", "INSTREAM size limit exceeded. ERROR", "stream: OK FOUND", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		opinion, err := opinionOf(reply)
		if opinion.Verdict == attachment.Clean && reply != "stream: OK" {
			t.Errorf("%q is clean", reply)
		}
		if (err == nil) == (opinion.Verdict == "") {
			t.Errorf("%q gave %+v, %v", reply, opinion, err)
		}
		if err == nil && opinion.Verdict != attachment.Clean && opinion.Reason.Verdict() != opinion.Verdict {
			t.Errorf("%q gave a reason of another verdict", reply)
		}
	})
}
