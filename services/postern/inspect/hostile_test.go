package inspect_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/seal/open"
)

// Bounds of what one mail of this file may cost a process, far above what it does cost:
// a mail that took time or memory without bound would pass them many times over.
const (
	mostCPU    = 30 * time.Second
	mostMemory = 1 << 29 // bytes
)

// bomb is a zip whose one member unfolds to 256 MiB of zeros.
var bomb = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	f, err := w.Create("zeros.bin")
	for range 256 {
		if err == nil {
			_, err = f.Write(make([]byte, 1<<20))
		}
	}
	if err != nil || w.Close() != nil {
		panic("a bytes.Buffer does not fail")
	}
	return out.Bytes()
})

// nasties are mails that were made to cost more than they weigh.
func nasties(t *testing.T) map[string]string {
	const head = "From: a@example.com\nSubject: x\nMIME-Version: 1.0\n"
	var opening, closing, alternatives, many, continued strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&opening, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		fmt.Fprintf(&closing, "--b%d--\n", 9_999-i)
	}
	for i := range 3000 {
		fmt.Fprintf(&alternatives, "Content-Type: multipart/alternative; boundary=a%d\n\n--a%d\nContent-Type: text/plain\n\nwords\n--a%d\n", i, i, i)
	}
	for range 100_000 {
		many.WriteString("--b\n\nx\n")
	}
	for i := range 50_000 {
		fmt.Fprintf(&continued, "; name*%d*=utf-8''%%41", i)
	}
	boundaries := head + "Content-Type: multipart/mixed; boundary=" + strings.Repeat("-", 60) + "\n\n" + strings.Repeat(strings.Repeat("-", 61)+"\n", 50_000)
	addresses := make([]string, 100_000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("N %d <n%d@example.com>", i, i)
	}
	name := strings.Repeat("n", 1<<20)
	received, signatures := strings.Repeat("Received: from a (b [192.0.2.1]) by mx.us.example; Sat, 21 Nov 2026 12:00:00 +0000\n", 20_000), strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AA==; b=AA==\n", 5_000)
	html := func(body string) string { return head + "Content-Type: text/html; charset=utf-8\n\n" + body }
	plain := func(body string) string { return head + "Content-Type: text/plain; charset=utf-8\n\n" + body }
	return map[string]string{
		"10,000 containers inside one another":      head + opening.String() + "\nthe end\n" + closing.String(),
		"10,000 containers that never end":          head + opening.String() + "\nthe end\n",
		"10,000 messages inside one another":        head + strings.Repeat("Content-Type: message/rfc822\n\n", 10_000),
		"alternatives inside alternatives":          head + alternatives.String(),
		"100,000 parts":                             head + "Content-Type: multipart/mixed; boundary=b\n\n" + many.String(),
		"lines like boundaries":                     boundaries,
		"a header line of a megabyte":               head + "X-Long: " + strings.Repeat("x", 1<<20) + "\n\nhi\n",
		"a subject of encoded words":                "From: a@example.com\nSubject: " + strings.Repeat("=?utf-8?Q?=C3=BC?= ", 60_000) + "\n\nhi\n",
		"a field folded 300,000 times":              "From: a@example.com\nSubject:" + strings.Repeat(" x\n", 300_000) + "\nhi\n",
		"zero bytes":                                strings.Repeat("\x00", 5<<20),
		"zero bytes in a header":                    "From: a\x00@example.com\nSub\x00ject: \x00\n\n\x00\n",
		"carriage returns for line ends":            strings.ReplaceAll(head+"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b--\n", "\n", "\r"),
		"carriage returns alone":                    strings.Repeat("\r", 3<<20),
		"line feeds alone":                          strings.Repeat("\n", 3<<20),
		"100,000 recipients":                        "From: a@example.com\nTo: " + strings.Join(addresses, ",\n ") + "\n\nhi\n",
		"100,000 authors":                           "From: " + strings.Join(addresses, ", ") + "\n\nhi\n",
		"brackets that never close":                 "From: " + strings.Repeat("(", 500_000) + "\nTo: " + strings.Repeat("<", 500_000) + "\nCc: " + strings.Repeat("\"", 500_001) + "\n\nhi\n",
		"groups without an end":                     "From: " + strings.Repeat("g:", 300_000) + "\n\nhi\n",
		"references":                                "From: a@example.com\nReferences: " + strings.Repeat("<a@b> ", 200_000) + "\n\nhi\n",
		"a file name of a megabyte":                 head + "Content-Type: application/pdf; name=\"" + name + "\"\nContent-Disposition: attachment; filename=\"" + name + ".exe\"\n\nhi\n",
		"a file name of dots":                       head + "Content-Disposition: attachment; filename=\"" + strings.Repeat("a.", 400_000) + "\"\n\nhi\n",
		"parameters without an end":                 head + "Content-Type: application/pdf" + strings.Repeat("; a=b", 300_000) + "\n\nhi\n",
		"a parameter in 50,000 pieces":              head + "Content-Type: application/pdf" + continued.String() + "\n\nhi\n",
		"bytes that are no UTF-8":                   "From: \xff\xfe <\x80@\xc3>\nSubject: \xe9\xff\nContent-Type: text/plain; charset=utf-8; name=\"\xff\"\n\n" + strings.Repeat("\xff\xfe\xc3(", 1<<19) + "\n",
		"20,000 Received lines":                     received + head + "\nhi\n",
		"5,000 DKIM signatures":                     signatures + head + "\nhi\n",
		"5,000 ARC sets":                            strings.Repeat("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.com; s=s; b=AA==\nARC-Message-Signature: i=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AA==; b=AA==\nARC-Authentication-Results: i=1; x\n", 5_000) + head + "\nhi\n",
		"a zip bomb":                                attached("bomb.zip", bomb()),
		"a zip bomb in a zip bomb":                  attached("bomb.zip", zipped(t, "bomb.zip", bomb())),
		"elements inside one another":               html(strings.Repeat("<div>", 300_000) + "hi"),
		"tables inside one another":                 html(strings.Repeat("<table><tr><td>", 100_000) + "hi"),
		"formatting that is opened again and again": html(strings.Repeat("<b><p>", 100_000) + "hi"),
		"attributes without an end":                 html("<p" + strings.Repeat(" a=b", 400_000) + ">hi"),
		"a style without an end":                    html("<p style=\"" + strings.Repeat("color:red;", 150_000) + "\">hi<style>" + strings.Repeat("a{b:c}", 100_000)),
		"comments that never end":                   html(strings.Repeat("<!--", 300_000)),
		"ampersands":                                html(strings.Repeat("&", 1<<20)),
		"angle brackets":                            html(strings.Repeat("<", 1<<20)),
		"links":                                     html(strings.Repeat("<a href=\"http://a.example/\">http://b.example/</a>", 30_000)),
		"digits":                                    plain(strings.Repeat("4111111111111111 ", 100_000)),
		"digits without an end":                     plain(strings.Repeat("4", 2<<20)),
		"at signs":                                  plain(strings.Repeat("a@", 1<<20)),
		"dots":                                      plain(strings.Repeat("a.", 1<<20)),
		"plus signs":                                plain(strings.Repeat("+49 ", 1<<19)),
		"letters of IBANs":                          plain(strings.Repeat("DE89 3704 0044 0532 0130 00", 80_000)),
		"quotes":                                    plain(strings.Repeat(strings.Repeat(">", 500)+"\n", 4_000)),
		"uuencoded beginnings":                      plain(strings.Repeat("begin 644 a\n", 100_000)),
		"yEnc beginnings":                           plain(strings.Repeat("=ybegin line=1 size=1 name=a\n", 50_000)),
		"encrypted blocks":                          plain(strings.Repeat("-----BEGIN PGP MESSAGE-----\n\nwV4D\n-----END PGP MESSAGE-----\n", 30_000)),
		"encrypted beginnings":                      plain(strings.Repeat("-----BEGIN PGP MESSAGE-----\n", 50_000)),
		"signed beginnings":                         plain(strings.Repeat("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n", 30_000)),
	}
}

func TestNoMailCostsWithoutBound(t *testing.T) {
	bucket, err := open.GenerateBucketKey("customer.raw.20280101.0") // any private key will do
	if err != nil {
		t.Fatal(err)
	}
	private, err := bucket.Private()
	if err != nil {
		t.Fatal(err)
	}
	keys := write(t, "keys.gpg", string(private))
	for name, raw := range nasties(t) {
		t.Run(name, func(t *testing.T) {
			path := write(t, "nasty.eml", raw)
			peak := filepath.Join(t.TempDir(), "peak")
			cmd := command(t, "--unconfined", "--show-masked", "--trust-mx", "mx.us.example", "--pgp-keys", keys, path)
			cmd.Env = append(cmd.Env, peakFile+"="+peak)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v", err)
			}
			for _, w := range wrongWith(out, path, []byte(raw)) {
				t.Errorf("%.300s", w)
			}
			cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			said, err := os.ReadFile(peak)
			if err != nil {
				t.Fatal(err)
			}
			memory, err := strconv.Atoi(string(said))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes: %v of CPU, %d MiB, %d bytes of output", len(raw), cpu.Round(10*time.Millisecond), memory>>20, len(out))
			if cpu > mostCPU || memory > mostMemory {
				t.Errorf("%v of CPU, %d MiB", cpu, memory>>20)
			}
		})
	}
}

func TestABombIsALimitAndWhatIsTooMuchIsSaid(t *testing.T) {
	mails := nasties(t)
	for name, want := range map[string]string{"a zip bomb": "limit", "a zip bomb in a zip bomb": "limit"} {
		if d := one(t, mails[name], "-"); d.Scan.Verdict != want {
			t.Errorf("%s: %+v", name, d.Scan)
		}
	}
	for name, defect := range map[string]string{
		"10,000 containers inside one another": "depth_limit", "10,000 messages inside one another": "depth_limit", "100,000 parts": "part_limit",
		"100,000 recipients": "address_limit", "100,000 authors": "header_limit", "references": "header_limit", "parameters without an end": "header_limit",
		"a header line of a megabyte": "header_limit", "20,000 Received lines": "header_limit",
	} {
		if d := one(t, mails[name], "-"); !slices.Contains(d.Message.Defects, defect) {
			t.Errorf("%s: %v", name, d.Message.Defects)
		}
	}
}
