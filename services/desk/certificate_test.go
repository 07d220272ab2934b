package desk_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

// longCertificate has so many lines that it would not ride in an event.
func longCertificate(id string, lines int) string {
	item := `{"item":"0123456789abcdef0123456789abcdef","layer":"raw","keys":"gone","ciphertext":"gone","versions":1,"markers":0,"uploads":0,"locked_until":""}`
	file := strings.Replace(certificateFile, `"certificate":"C1"`, `"certificate":"`+id+`"`, 1)
	return strings.Replace(file, `"items":[`, `"items":[`+strings.Repeat(item+",", lines-1), 1)
}

func keep(t *testing.T, w *desktest.World, id, file string) {
	t.Helper()
	if _, err := w.Vault.Put(t.Context(), desk.CertificateObject(id), strings.NewReader(file), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestALongCertificateIsReadFromTheVault(t *testing.T) {
	w := desktest.New(t)
	file := longCertificate("CABCDEF", 3000)
	keep(t, w, "CABCDEF", file)
	w.Certify("CABCDEF", "")
	c := as(w, t, "aude")
	if a := c.get("/retention"); !a.has(">3000<") || !a.has("its time was over") || !a.has("20 Nov 2026, 03:00:04 UTC") {
		t.Errorf("the list: %d\n%s", a.StatusCode, a.body)
	}
	page := c.get("/retention/certificates/CABCDEF?as=page")
	for _, want := range []string{"3000 layers were destroyed", "The first 1000 of 3000", "Objects listed again"} {
		if !page.has(want) {
			t.Errorf("the page (%d) does not say %q", page.StatusCode, want)
		}
	}
	if lines := strings.Count(page.body, `data-name="Layer"`); lines != 1000 {
		t.Errorf("the page has %d lines", lines)
	}
	got := c.get("/retention/certificates/CABCDEF")
	if got.StatusCode != 200 || got.body != file || got.Header.Get("Content-Length") != fmt.Sprint(len(file)) {
		t.Errorf("the file: %d, %d bytes, want %d", got.StatusCode, len(got.body), len(file))
	}
}

func TestWhatStandsInACertificatesPlaceIsNotHandedOutAsIt(t *testing.T) {
	for name, c := range map[string]struct {
		file, plan string
		want       int
		says       string
	}{
		"nothing":              {"", "P1", 404, "not in the vault"},
		"another's":            {longCertificate("CFFFFFF", 3), "P1", 409, "is not the certificate that was issued"},
		"another plan's":       {longCertificate("CABCDEF", 3), "P2", 409, "is not the certificate that was issued"},
		"half of it":           {longCertificate("CABCDEF", 3)[:400], "P1", 409, "is not the certificate that was issued"},
		"something else":       {"garbage", "P1", 409, "is not the certificate that was issued"},
		"a list":               {"[]", "P1", 409, "is not the certificate that was issued"},
		"a value without end":  {`{"certificate":{"salt":"` + strings.Repeat("0", 3<<20), "P1", 503, "cannot answer"},
		"a name without a end": {`{"` + strings.Repeat("c", 3<<20), "P1", 503, "cannot answer"},
	} {
		w := desktest.New(t)
		if c.file != "" {
			keep(t, w, "CABCDEF", c.file)
		}
		w.CertifyPlan(&retentionv1.Certified{Certificate: "CABCDEF", Plan: c.plan})
		browser := as(w, t, "petra")
		for _, as := range []string{"", "?as=page"} {
			a := browser.get("/retention/certificates/CABCDEF" + as)
			if a.StatusCode != c.want || !a.has(c.says) || a.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s%s: %d %q", name, as, a.StatusCode, a.body)
			}
		}
		if a := browser.get("/retention"); a.StatusCode != 200 || !a.has("cannot be read") {
			t.Errorf("%s: the list: %d", name, a.StatusCode)
		}
	}
}

// A certificate at the limit of one value is read, one past it is not (valueMost is 1 MiB).
func TestTheLengthOfAValueIsBounded(t *testing.T) {
	for _, c := range []struct {
		length, want int
	}{{1<<20 - 4096, 200}, {1<<20 + 4096, 503}} {
		w := desktest.New(t)
		file := strings.Replace(certificateFile, `"limits":"`, `"limits":"`+string(bytes.Repeat([]byte("x"), c.length)), 1)
		keep(t, w, "C1", file)
		w.Certify("C1", "")
		if a := as(w, t, "petra").get("/retention/certificates/C1"); a.StatusCode != c.want {
			t.Errorf("%d bytes: %d", c.length, a.StatusCode)
		}
	}
}

func TestACertificatesPageSaysHowItIsCheckedAndNothingOfLocksThatAreNot(t *testing.T) {
	const kept = "ciphertext is kept by the store's lock; its keys are gone"
	for count, says := range map[int]bool{0: false, 2: true} {
		w := desktest.New(t)
		w.Certify("C1", strings.Replace(certificateFile, `"checks":[`, fmt.Sprintf(`"checks":[{"code":"objects_locked","count":%d,"result":%q},`, count, kept), 1))
		page := as(w, t, "petra").get("/retention/certificates/C1?as=page")
		if page.has("Objects under a lock") != says || page.has("kept by the store") != says {
			t.Errorf("with %d objects under a lock the page speaks of locks: %t", count, !says)
		}
		for _, want := range []string{`postern certificate verify C1.json <span class="nowrap">--key certificate.ed25519.pub</span></code>`, "keys/certificate.ed25519.pub", "1: none left"} {
			if !page.has(want) {
				t.Errorf("the page does not say %q", want)
			}
		}
	}
}
