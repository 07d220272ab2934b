package run

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readers are the folders whose code has a mail's words in hand.
var readers = regexp.MustCompile(`/(pkg/(mail|mailauth|signature|attachment|clean|pii|reading|seal|clam|resolve)|services/(ingest|verify|scan|sanitize|desk))/`)

// testSupport are packages that only tests and demonstrations run, and what reads files of operators.
var testSupport = regexp.MustCompile(`/(desktest|imaptest|clamtest)/|/services/desk/(user|link)\.go$|/services/ingest/(config|oauth2)\.go$|/mailauth/dns/zone\.go$`)

// unquoted are verbs that put a string into a text as it is, or a cause elsewhere than in
// its turn, where the door would not look for it; and nouns those that may stand
// before one: what follows is an id, or a name from the configuration or the program.
var (
	unquoted = regexp.MustCompile(`%[-+# 0-9.*\[\]]*[svxX]|%[-+# 0-9.]*\[\d+\]`)
	nouns    = regexp.MustCompile(`(bucket|bucket key|open|item|ticket|certificate|folder|mailbox|stream|cursor|it is no|%w:) $`)
)

// known are texts whose strings are no mail's: the type of a DNS record, a protocol, a
// server's status, a file of this machine, a place in the program.
var known = []string{
	"%s: %w", "%s %w", "%s: %w: %w", "%s: server says %s: %w", "server %s answers other questions",
	"name servers: %s names none: set verify.dns.server", "%w at %s",
}

// TestErrorsWherePlaintextIsHoldStringsInQuotesAlone: the door takes what is quoted out of an
// error. In code that reads mails, a string that is no id is put into one by %q or not at all.
func TestErrorsWherePlaintextIsHoldStringsInQuotesAlone(t *testing.T) {
	seen := 0
	sources(t, func(path string, file *ast.File, at func(ast.Node) string) {
		if !readers.MatchString(path) || testSupport.MatchString(path) {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			of, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch called := lastName(of.X) + "." + of.Sel.Name; called {
			case "errors.New", "fmt.Errorf":
				seen++
				text, constant := literal(call.Args[0])
				if !constant && called == "errors.New" {
					t.Errorf("%s: the text of an error is put together", at(call))
				}
				if strings.Count(text, `"`)%2 != 0 {
					t.Errorf("%s: a quote in %q has no other end: the door would take what follows for quoted", at(call), text)
				}
				if slices.Contains(known, text) {
					return true
				}
				for _, verb := range unquoted.FindAllStringIndex(text, -1) {
					if called == "fmt.Errorf" && !nouns.MatchString(text[:verb[0]]) {
						t.Errorf("%s: %q puts a string into an error as it is: quote it, or name the id that it is", at(call), strings.TrimSpace(text))
					}
				}
			}
			return true
		})
	})
	if seen < 100 {
		t.Errorf("only %d errors were found", seen)
	}
}
