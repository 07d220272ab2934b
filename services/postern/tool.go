package main

import (
	"context"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// A signedIn is a command on the bus, with a credential of its own.
type signedIn struct{ *wiring.Tool }

// toolAt signs in at the bus that a configuration names.
func toolAt(ctx context.Context, c wiring.Config, credential string) (signedIn, error) {
	process, err := wiring.AtBus(c, wiring.Options{})
	if err != nil {
		return signedIn{}, err
	}
	tool, err := process.Tool(ctx, credential)
	if err != nil {
		process.Close()
		return signedIn{}, err
	}
	return signedIn{tool}, nil
}

// Close signs out.
func (s signedIn) Close() {
	s.Conn.Close()
	s.Process.Close()
}
