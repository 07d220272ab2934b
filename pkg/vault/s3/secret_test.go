package s3_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/vault/s3"
)

func TestNoWayOfPrintingAConfigurationShowsItsKeys(t *testing.T) {
	config := s3.Config{Endpoint: "s3.example:443", Bucket: "postern", AccessKey: "hush-access", SecretKey: "hush-secret"}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&printed, verb+"\n", config)
		fmt.Fprintf(&printed, verb+"\n", &config)
		fmt.Fprintf(&printed, verb+"\n", struct{ Config s3.Config }{config})
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "config", config)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "config", config)
	if err := json.NewEncoder(&printed).Encode(config); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"hush", fmt.Sprintf("%x", "hush")} {
		if strings.Contains(printed.String(), hidden) {
			t.Errorf("a key was printed:\n%s", printed.String())
		}
	}
	if !strings.Contains(printed.String(), "s3.example:443/postern") {
		t.Error("nothing was printed")
	}
}
