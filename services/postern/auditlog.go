package main

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// auditCommand checks the log with the public key alone.
func auditCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("audit", "verify [--config FILE] [--key FILE]", io.err)
	path := configFlag(flags)
	keyFile := flags.String("key", "", "the signer's public key, a PEM `file`; the configuration's by default")
	if _, code, ok := parseVerb(flags, args, "verify", 1); !ok {
		return code
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	if *keyFile == "" {
		*keyFile = c.Audit.Key + ".pub"
	}
	key, err := signet.LoadPublic(*keyFile)
	if err != nil {
		return fail(io, err)
	}
	process, err := wiring.Look(ctx, c, wiring.Options{})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	conn, err := process.Connect(ctx, "audit")
	if err != nil {
		return fail(io, err)
	}
	defer conn.Close()
	begun, err := process.AuditBegun(ctx, conn)
	if err != nil {
		return fail(io, err)
	}
	if !begun {
		return nothingSigned(c.Audit.Key, io)
	}
	checkpoints, err := audit.Checkpoints(ctx, conn)
	if err != nil {
		return fail(io, err)
	}
	if checkpoints, err = audit.MarkOf(c.Audit.Key).With(checkpoints, key); err != nil {
		return fail(io, err)
	}
	report, err := audit.Verify(audit.Messages(ctx, conn), checkpoints, key)
	if err != nil {
		return fail(io, err)
	}
	if report.Entries > 0 && report.Checkpoints == 0 {
		return fail(io, fmt.Errorf("the audit log has %d entries and none is signed: if its signer runs, checkpoints were removed", report.Entries))
	}
	fmt.Fprintf(io.out, "the audit log is whole: %d entries linked, %d checkpoints good, signed up to entry %d\n", report.Entries, report.Checkpoints, report.Signed)
	return done
}

// nothingSigned ends the verification of a log without an entry: nothing was found whole,
// for there is nothing.
func nothingSigned(key string, io stdio) int {
	last, err := audit.MarkOf(key).Read()
	if err != nil {
		return fail(io, err)
	}
	if last.GetSequence() > 0 {
		return fail(io, fmt.Errorf("%w: it is empty, and entry %d was signed", wiring.ErrAuditLost, last.GetSequence()))
	}
	fmt.Fprintln(io.out, "no entry was ever written to the audit log: there is nothing to verify")
	return done
}
