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

const marker = "marker.password"

type everything struct {
	Password redact.Secret
	Tokens   []redact.Secret
}

func filled() everything {
	return everything{redact.NewSecret(marker), []redact.Secret{redact.NewSecret(marker)}}
}

func values() map[string]any {
	all := filled()
	secret := all.Password
	return map[string]any{
		"secret": secret, "pointer": &secret, "struct": all, "pointer to struct": &all, "slice": all.Tokens,
		"map": map[string]redact.Secret{"k": secret}, "in an error": fmt.Errorf("password %v: %w", secret, errors.New("refused")),
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
	if got := redact.NewSecret(marker).Reveal(); got != marker {
		t.Errorf("Reveal gave %q", got)
	}
	if got := new(redact.Secret).Reveal(); got != "" {
		t.Errorf("no secret reads as %q", got)
	}
	if got := fmt.Sprint(redact.NewSecret(marker)); got != "‹secret›" {
		t.Errorf("a secret prints as %q, want ‹secret›", got)
	}
}
