package main

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/retain"
)

// certificateCommand checks certificates with the public key alone, on any machine.
func certificateCommand(_ context.Context, args []string, io stdio) int {
	flags := newFlags("certificate", "verify CERTIFICATE... --key FILE", io.err)
	keyFile := flags.String("key", "certificate.ed25519.pub", "the issuer's public key, a PEM `file`")
	item := flags.String("item", "", "also say whether a certificate speaks of this item, by its `id`; the exit code is 1 where none does")
	paths, code, ok := parseVerb(flags, args, "verify", math.MaxInt)
	if !ok {
		return code
	}
	if len(paths) == 0 {
		flags.Usage()
		return misuse
	}
	if *item != "" && !event.IsRecord(*item) {
		return notAnItem(*item, io)
	}
	key, err := signet.LoadPublic(*keyFile)
	if err != nil {
		return fail(io, err)
	}
	spoken := *item == ""
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err == nil {
			var certificate retain.Certificate
			if certificate, err = retain.Verify(file, key); err == nil {
				spoken = describe(io, path, certificate, *item) || spoken
				continue
			}
		}
		fmt.Fprintf(io.err, "%s: %v\n", path, err)
		code = failed
	}
	if !spoken {
		return failed
	}
	return code
}

// describe says what a certificate says, and gives whether it speaks of an item.
func describe(io stdio, path string, c retain.Certificate, item string) (found bool) {
	fmt.Fprintf(io.out, "%s: good, signed by key %s\n  certificate %s for plan %s (%s), policy %s\n  %d layers destroyed; planned %s, keys forgotten %s, checked %s\n",
		path, c.Issuer, c.ID, c.Plan, c.Cause, c.Policy.Name, len(c.Items),
		c.Times.Planned.Format("2006-01-02 15:04:05Z"), c.Times.KeysForgotten.Format("2006-01-02 15:04:05Z"), c.Times.Checked.Format("2006-01-02 15:04:05Z"))
	for _, check := range c.Checks {
		fmt.Fprintf(io.out, "  checked %s: %s (%d)\n", check.Code, check.Result, check.Count)
	}
	if item == "" {
		return false
	}
	for _, gone := range c.Items {
		if c.Speaks(gone, item) {
			found = true
			fmt.Fprintf(io.out, "  it speaks of the item: layer %s, keys %s, ciphertext %s\n", gone.Layer, gone.Keys, gone.Ciphertext)
		}
	}
	if !found {
		fmt.Fprintln(io.out, "  it does not speak of that item")
	}
	return found
}
