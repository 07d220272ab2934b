package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/postern-mail/postern/services/postern/doctor"
)

// doctorCommand checks everything that Postern needs. Each line that is not well says what to do.
func doctorCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("doctor", "[--config FILE]", io.err)
	path := configFlag(flags)
	if _, code, ok := parseWords(flags, args, 0); !ok {
		return code
	}
	ill := 0
	for finding := range doctor.Examine(ctx, *path) {
		mark := "ok  "
		switch finding.State {
		case doctor.Ill:
			mark = "FAIL"
			ill++
		case doctor.Doubtful:
			mark = "note"
		}
		what := strings.ReplaceAll(finding.What, "\n", "\n"+strings.Repeat(" ", 19))
		fmt.Fprintf(io.out, "%s  %-12s %s\n", mark, finding.Subject, what)
		if finding.Advice != "" {
			fmt.Fprintf(io.out, "      %-12s %s\n", "", finding.Advice)
		}
	}
	if ill > 0 {
		fmt.Fprintf(io.out, "\n%d of the checks failed.\n", ill)
		return failed
	}
	fmt.Fprintln(io.out, "\nAll is well.")
	return done
}
