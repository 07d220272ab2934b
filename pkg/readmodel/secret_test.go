package readmodel_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/readmodel"
)

func TestNoWayOfPrintingAConfigurationShowsItsPassword(t *testing.T) {
	config := readmodel.Config{Address: "redis.example:6379", Username: "u", Password: "hush-secret"}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&printed, verb+"\n", config)
		fmt.Fprintf(&printed, verb+"\n", &config)
		fmt.Fprintf(&printed, verb+"\n", struct{ Config readmodel.Config }{config})
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "config", config)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "config", config)
	if err := json.NewEncoder(&printed).Encode(config); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"hush", fmt.Sprintf("%x", "hush")} {
		if strings.Contains(printed.String(), hidden) {
			t.Errorf("the password was printed:\n%s", printed.String())
		}
	}
	if !strings.Contains(printed.String(), "redis.example:6379") {
		t.Error("nothing was printed")
	}
}
