package redact_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/pkg/redact"
)

const marker = "marker.person@example.com"

type everything struct {
	Address redact.Address
	Subject redact.Subject
	Text    redact.Text
	Name    redact.Name
}

func filled() everything {
	return everything{redact.NewAddress(marker), redact.NewSubject(marker), redact.NewText(marker), redact.NewName(marker)}
}

func values() map[string]any {
	all := filled()
	address := all.Address
	return map[string]any{
		"address": all.Address, "subject": all.Subject, "text": all.Text, "name": all.Name,
		"pointer": &address, "struct": all, "pointer to struct": &all,
		"slice": []redact.Address{all.Address}, "map": map[string]redact.Name{"k": all.Name},
		"in an error": fmt.Errorf("sender %v: %w", all.Address, errors.New("refused")),
	}
}

func TestNoVerbPrintsTheValue(t *testing.T) {
	verbs := []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "T", "p", "40s", "-40q", ".3s", "+q", "#x", "c", "U", "e", "t"}
	for name, value := range values() {
		for _, verb := range verbs {
			printed := fmt.Sprintf("%"+verb, value)
			if strings.Contains(printed, "marker") || strings.Contains(strings.ToLower(printed), fmt.Sprintf("%x", "marker")) {
				t.Errorf("%s with %%%s printed %q", name, verb, printed)
			}
		}
		if printed := fmt.Sprint(value, value); strings.Contains(printed, "marker") {
			t.Errorf("%s printed %q", name, printed)
		}
	}
}

func TestNoLogHandlerPrintsTheValue(t *testing.T) {
	for name, value := range values() {
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("mail seen", "value", value, slog.Group("group", "value", value))
		}
		if strings.Contains(out.String(), "marker") {
			t.Errorf("%s logged %s", name, out.String())
		}
	}
}

func TestNoEncoderPrintsTheValue(t *testing.T) {
	encoders := map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"xml":  xml.Marshal,
		"yaml": yaml.Marshal,
		"gob": func(value any) ([]byte, error) {
			var out bytes.Buffer
			err := gob.NewEncoder(&out).Encode(value)
			return out.Bytes(), err
		},
	}
	for name, encode := range encoders {
		out, err := encode(filled())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Contains(out, []byte("marker")) {
			t.Errorf("%s encoded %s", name, out)
		}
	}
}

func TestTheValueCanBeHadWhereItIsNeeded(t *testing.T) {
	if got := redact.NewAddress(marker).Reveal(); got != marker {
		t.Errorf("Reveal gave %q", got)
	}
	if got := fmt.Sprint(redact.NewAddress(marker)); got != "‹address›" {
		t.Errorf("an address prints as %q, want ‹address›", got)
	}
}
