package desk

import (
	"context"
	"fmt"
	"time"
)

// NewLink makes a link that signs a user in once, beside a running desk that keeps its
// short-lived values in the same place.
func NewLink(ctx context.Context, config Config, short Short, user string) (string, error) {
	users := NewDirectory(config.UsersFile)
	if _, known, err := users.Find(user); err != nil {
		return "", err
	} else if !known {
		return "", fmt.Errorf("there is no user %s who may sign in", user)
	}
	links := &sessions{short: short, users: users, config: config, now: time.Now}
	return links.link(ctx, user)
}
