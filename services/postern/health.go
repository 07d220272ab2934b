package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// healthCommand asks the process that runs with a configuration, on this machine, whether it
// works. It is for supervisors that can only start a program, as in a container without a shell.
func healthCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("health", "[--config FILE]", io.err)
	path := configFlag(flags)
	if _, code, ok := parseWords(flags, args, 0); !ok {
		return code
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	if err := askHealth(ctx, c); err != nil {
		return fail(io, err)
	}
	fmt.Fprintln(io.out, "ready")
	return done
}

// healthPatience is how long a process may take to say how it is.
const healthPatience = 5 * time.Second

func askHealth(ctx context.Context, c wiring.Config) error {
	host, port, err := net.SplitHostPort(c.Operations.Listen)
	if err != nil {
		return errors.New("operations.listen names no port: nobody can be asked")
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("nobody answers at operations.listen: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Ready   bool              `json:"ready"`
		Waiting map[string]string `json:"waiting"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("who answers at operations.listen is no Postern: %w", err)
	}
	if !answer.Ready {
		var waits []string
		for _, service := range slices.Sorted(maps.Keys(answer.Waiting)) {
			waits = append(waits, service+" waits for "+answer.Waiting[service])
		}
		return errors.New(strings.Join(waits, "; "))
	}
	return nil
}
