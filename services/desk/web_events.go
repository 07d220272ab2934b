package desk

import (
	"fmt"
	"net/http"
	"time"
)

// events tells a page that lists have changed, as server-sent events. It says that,
// and not what: the page asks for what it may see.
func (web *Web) events(v *visit) error {
	changed, err := web.changes.Subscribe(v.Context())
	if err != nil {
		return err
	}
	control := http.NewResponseController(v.w)
	v.w.Header().Set("Content-Type", "text/event-stream")
	say := func(text string) error {
		if _, err := fmt.Fprint(v.w, text); err != nil {
			return err
		}
		return control.Flush()
	}
	if say(": hello\n\n") != nil {
		return nil
	}
	alive := time.NewTicker(25 * time.Second)
	defer alive.Stop()
	for {
		select {
		case <-v.Context().Done():
			return nil
		case _, open := <-changed:
			if !open || say("event: changed\ndata: \n\n") != nil {
				return nil // the browser is gone, and comes back by itself
			}
		case <-alive.C:
			if say(": alive\n\n") != nil {
				return nil
			}
		}
	}
}
