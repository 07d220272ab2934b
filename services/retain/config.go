package retain

import (
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// minOrphanAge keeps the sweep from what may yet be registered: the keyring takes an attempt
// of up to two hours, and its intake bucket lingers for two more.
const minOrphanAge = 4 * time.Hour

// Check says what is wrong and what to do.
func (c Config) Check() error {
	var problems []error
	refuse := func(form string, values ...any) { problems = append(problems, fmt.Errorf(form, values...)) }
	if _, err := c.cron(); err != nil {
		problems = append(problems, err)
	}
	if !(c.MaxShare > 0 && c.MaxShare <= 1) { // so put, it refuses what is no number as well
		refuse("retain.max_share %v: set it above 0 and to 1 at most, such as 0.2", c.MaxShare)
	}
	if c.AlwaysAllowed < 0 {
		refuse("retain.always_allowed %d: set it to 0 or more", c.AlwaysAllowed)
	}
	if c.MaxTargets < 1 {
		refuse("retain.max_targets %d: set it to 1 or more", c.MaxTargets)
	}
	if c.WishesADay < 0 {
		refuse("retain.wishes_a_day %d: set it to 0 or more, such as 200; 0 has the desk erase nothing", c.WishesADay)
	}
	if c.MaxClockSkew <= 0 {
		refuse("retain.max_clock_skew %v: set it above 0, such as 1m", c.MaxClockSkew.Std())
	}
	if c.OrphanAge.Std() < minOrphanAge {
		refuse("retain.orphan_age %v: set it to 4h or more, such as 26h: what is younger may yet be registered", c.OrphanAge.Std())
	}
	return errors.Join(problems...)
}

// cron reads the schedule.
func (c Config) cron() (cron.Schedule, error) {
	parsed, err := cron.ParseStandard(c.Schedule)
	if err != nil {
		return nil, fmt.Errorf("retain.schedule %q: write five fields: minute hour day month weekday: %w", c.Schedule, err)
	}
	return parsed, nil
}
