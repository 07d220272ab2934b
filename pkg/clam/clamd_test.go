package clam_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/clam/clamtest"
	"github.com/postern-mail/postern/pkg/mail"
)

const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

func connect(t testing.TB, address string) *clam.Client {
	t.Helper()
	client, err := clam.New(address, clam.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func nested(t testing.TB, depth int, name, content string) string {
	t.Helper()
	for range depth {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, content)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		name, content = "inner.zip", out.String()
	}
	return content
}

// encrypted is a stored zip member whose flag says that it is encrypted
// (APPNOTE.TXT §4.4.4).
func encrypted(t testing.TB) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.CreateRaw(&zip.FileHeader{Name: "a.txt", Method: zip.Store, Flags: 1, CRC32: 0x1234, CompressedSize64: 16, UncompressedSize64: 4})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "0123456789abcdef")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheRealClamdWithOurSettings(t *testing.T) {
	client := connect(t, clamtest.Start(t))
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if version, err := client.Version(t.Context()); err != nil || !strings.HasPrefix(version, "ClamAV ") {
		t.Errorf("version %q, %v", version, err)
	}
	for name, c := range map[string]struct {
		content string
		verdict attachment.Verdict
		reason  attachment.Reason
	}{
		"nothing":         {"", attachment.Clean, ""},
		"a text":          {"Hello.\r\n", attachment.Clean, ""},
		"the test file":   {eicar, attachment.Infected, attachment.ScannerSignature},
		"the marker":      {"some words, " + clamtest.Marker, attachment.Infected, attachment.ScannerSignature},
		"in a zip":        {nested(t, 1, "eicar.com", eicar), attachment.Infected, attachment.ScannerSignature},
		"in ten zips":     {nested(t, 10, "eicar.com", eicar), attachment.Infected, attachment.ScannerSignature},
		"in twenty zips":  {nested(t, 20, "eicar.com", eicar), attachment.Limit, attachment.ScannerLimit},
		"encrypted":       {encrypted(t), attachment.Encrypted, attachment.EncryptedArchive},
		"three megabytes": {strings.Repeat("a line of text\n", 200_000), attachment.Clean, ""},
	} {
		opinion, err := client.Scan(t.Context(), strings.NewReader(c.content))
		if err != nil || opinion.Verdict != c.verdict || opinion.Reason != c.reason {
			t.Errorf("%s gave %+v, %v; want %s %s", name, opinion, err, c.verdict, c.reason)
		}
	}
}

func TestTheRealClamdRefusesWhatIsTooLong(t *testing.T) {
	client := connect(t, clamtest.StartWith(t, map[string]string{"StreamMaxLength": "1M"}))
	opinion, err := client.Scan(t.Context(), strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil || opinion.Verdict != attachment.Clean {
		t.Errorf("at the limit: %+v, %v", opinion, err)
	}
	opinion, err = client.Scan(t.Context(), strings.NewReader(strings.Repeat("x", 8<<20)))
	if err != nil || opinion.Verdict != attachment.Limit || opinion.Reason != attachment.ScannerLimit {
		t.Errorf("past the limit: %+v, %v", opinion, err)
	}
}

func TestTheRealClamdOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	if err != nil {
		t.Fatal(err)
	}
	clamtest.StartWith(t, map[string]string{"TCPSocket": port, "TCPAddr": "127.0.0.1"})
	client := connect(t, "tcp:127.0.0.1:"+port)
	opinion, err := client.Scan(t.Context(), strings.NewReader(eicar))
	if err != nil || opinion.Verdict != attachment.Infected {
		t.Errorf("got %+v, %v", opinion, err)
	}
	opinion, err = client.Scan(t.Context(), strings.NewReader("clean\n"))
	if err != nil || opinion.Verdict != attachment.Clean {
		t.Errorf("got %+v, %v", opinion, err)
	}
}

func TestAMailIsScannedWithTheRealClamd(t *testing.T) {
	client := connect(t, clamtest.Start(t))
	raw := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b\r\n" +
		"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=a.dat\r\n\r\n" + clamtest.Marker + "\r\n--b--\r\n"
	report := attachment.Scan(t.Context(), mail.Parse([]byte(raw), mail.Limits{}), attachment.Options{SecondOpinion: client})
	if report.Scan.Verdict != attachment.Infected || report.Unavailable != nil || len(report.Attachments) != 1 ||
		!strings.HasPrefix(report.Attachments[0].Signature, "Postern.Test.Marker") {
		t.Errorf("got %+v", report)
	}
}

func TestScansInParallelKeepTheirAnswersApart(t *testing.T) {
	client := connect(t, clamtest.Start(t))
	done := make(chan string)
	for i := range 32 {
		go func() {
			content, verdict := "clean\n", attachment.Clean
			if i%2 == 1 {
				content, verdict = eicar, attachment.Infected
			}
			opinion, err := client.Scan(t.Context(), strings.NewReader(content))
			if err != nil || opinion.Verdict != verdict {
				done <- "an answer was taken for another's"
				return
			}
			done <- ""
		}()
	}
	for range 32 {
		if wrong := <-done; wrong != "" {
			t.Error(wrong)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	client := connect(b, clamtest.Start(b))
	for name, content := range map[string]string{"10KB": strings.Repeat("a line of text\n", 700), "1MB": strings.Repeat("a line of text\n", 70_000)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := client.Scan(b.Context(), strings.NewReader(content)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
