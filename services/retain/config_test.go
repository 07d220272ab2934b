package retain_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/retain"
)

func TestAConfigurationThatCannotWorkIsRefusedByItsKey(t *testing.T) {
	for key, spoil := range map[string][]func(*retain.Config){
		"retain.schedule": {
			func(c *retain.Config) { c.Schedule = "" },
			func(c *retain.Config) { c.Schedule = "61 2 * * *" },
		},
		"retain.max_share": {
			func(c *retain.Config) { c.MaxShare = 0 },
			func(c *retain.Config) { c.MaxShare = -0.1 },
			func(c *retain.Config) { c.MaxShare = 1.01 },
			func(c *retain.Config) { c.MaxShare = math.NaN() },
		},
		"retain.always_allowed": {func(c *retain.Config) { c.AlwaysAllowed = -1 }},
		"retain.max_targets":    {func(c *retain.Config) { c.MaxTargets = 0 }},
		"retain.wishes_a_day":   {func(c *retain.Config) { c.WishesADay = -1 }},
		"retain.max_clock_skew": {func(c *retain.Config) { c.MaxClockSkew = 0 }},
		"retain.orphan_age": {
			func(c *retain.Config) { c.OrphanAge = config.Duration(time.Minute) },
			func(c *retain.Config) { c.OrphanAge = config.Duration(4*time.Hour - 1) },
		},
	} {
		for i, change := range spoil {
			c := retain.DefaultConfig()
			change(&c)
			if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), key+" ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %d: %v", key, i, err)
			}
		}
	}
}

func TestAConfigurationAtItsLimitsIsTaken(t *testing.T) {
	c := retain.DefaultConfig()
	if err := c.Check(); err != nil {
		t.Error("the default:", err)
	}
	c.MaxShare, c.AlwaysAllowed, c.MaxTargets, c.WishesADay, c.OrphanAge = 1, 0, 1, 0, config.Duration(4*time.Hour)
	if err := c.Check(); err != nil {
		t.Error("at the limits:", err)
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	err := retain.Config{}.Check()
	if err == nil || len(strings.Split(err.Error(), "\n")) != 5 {
		t.Errorf("%v, want five lines", err)
	}
}
