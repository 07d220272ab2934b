package scan_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/postern-mail/postern/pkg/keys"
)

// The report of some thousand members is between what an event carries and what the keyring
// takes: filing would refuse it.
func TestTheReportOfAnArchiveOfManyFilesCanBeFiled(t *testing.T) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for i := range 1100 {
		f, err := w.Create(fmt.Sprintf("logs/2026-11-21/application-server-%04d.log", i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(f, "line %d\n", i)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := sealed(t, "From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name=logs.zip\r\n"+
		"Content-Disposition: attachment; filename=logs.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
		base64.StdEncoding.EncodeToString(archive.Bytes())+"\r\n")
	scanned, err := f.worker(clean, true).Scan(t.Context(), f.event)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(scanned.GetDetails()); size > keys.MaxDetails {
		t.Errorf("details of %d bytes: the keyring takes %d", size, keys.MaxDetails)
	}
	if _, report := details(t, f, scanned); len(report.Attachments) != 1 || report.Attachments[0].Name != "logs.zip" {
		t.Errorf("%d attachments are left in the report", len(report.Attachments))
	}
}
