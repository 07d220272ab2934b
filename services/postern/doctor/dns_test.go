package doctor

import (
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

func TestADemonstrationIsNotToldToAskNameServers(t *testing.T) {
	for demo, want := range map[bool]string{true: "the demonstration brings its own answers", false: "nobody is asked: no sender can be confirmed"} {
		var found []Finding
		x := &examination{config: wiring.Default(), yield: func(f Finding) bool { found = append(found, f); return true }}
		x.config.Verify.DNS.Server, x.config.Desk.Demo = "none", demo
		x.dns(t.Context())
		if len(found) != 1 || found[0].What != want {
			t.Errorf("%+v", found)
		}
	}
}
