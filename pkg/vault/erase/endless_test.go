package erase_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/s3"
)

// A store that always says that there is more must not hold the eraser for ever, nor be
// taken for one that has nothing left.
func TestAListOfUploadsThatNeverEndsIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated>`+
			`<NextKeyMarker>raw/a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker></ListMultipartUploadsResult>`)
	}))
	defer server.Close()
	eraser, err := erase.S3(s3.Config{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "b", AccessKey: "access", SecretKey: "secret", PathStyle: true, Plaintext: true, Tries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := eraser.Sweep(ctx, "raw/", time.Now()); err == nil || ctx.Err() != nil {
		t.Errorf("error %v, context %v", err, ctx.Err())
	}
}
