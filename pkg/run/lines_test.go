package run

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// counts are the keys that services put numbers under.
var counts = []string{
	"uid", "items", "generation", "buckets", "sequence", "uidvalidity", "tries", "taken", "signed", "retried", "periods",
	"objects", "mails", "layers", "entries", "delivered", "last", "from", "delivery", "took", "again_in", "deaths",
	"missing", "unknown", "lost", "waiting", "wishes_a_day",
}

// sources gives every file of the program that is no test.
func sources(t *testing.T, each func(path string, file *ast.File, at func(ast.Node) string)) {
	t.Helper()
	files := token.NewFileSet()
	for _, root := range []string{"../../pkg", "../../services"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			each(filepath.ToSlash(path), file, func(node ast.Node) string { return files.Position(node.Pos()).String() })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryLineHasAConstantMessageAndKeysThatAreKnown: what is under another key would be
// withheld, and a message that is put together could hold anything.
func TestEveryLineHasAConstantMessageAndKeysThatAreKnown(t *testing.T) {
	lines := 0
	sources(t, func(path string, file *ast.File, at func(ast.Node) string) {
		if strings.Contains(path, "pkg/run/door.go") {
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
			args := call.Args
			switch receiver := strings.ToLower(lastName(of.X)); {
			case receiver == "slog" && slices.Contains([]string{"String", "Any", "Int", "Int64", "Uint64", "Bool", "Duration", "Time", "Float64"}, of.Sel.Name):
				args = args[:1]
			case receiver != "log" && receiver != "logger":
				return true
			case slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, of.Sel.Name):
				lines++
				if _, constant := literal(args[0]); !constant {
					t.Errorf("%s: the message is not constant", at(call))
				}
				args = args[1:]
			case of.Sel.Name != "With":
				return true
			}
			if call.Ellipsis.IsValid() {
				return true
			}
			for i := 0; i < len(args); i += 2 {
				key, constant := literal(args[i])
				if !constant || forms[key] == nil && !prose[key] && !slices.Contains(counts, key) {
					t.Errorf("%s: the key %q is not known: give it a form in door.go, or name it among the numbers", at(call), key)
				}
			}
			return true
		})
	})
	if lines < 50 {
		t.Errorf("only %d lines were found", lines)
	}
}

func TestSubjectsOfTheBusAreWrittenAndOthersAreNot(t *testing.T) {
	subjects := []string{"keyring.v1.open.verify", "verify.v1.replay", "tickets.T0123456789abcdef0123"}
	for _, stream := range topology.Streams {
		subjects = append(subjects, stream.Subject, stream.Told())
	}
	for _, name := range topology.Names() {
		subjects = append(subjects, topology.Inbox(name)+".x1Y2", topology.Prefix(name)+"STREAM.INFO.ITEMS")
	}
	for _, subject := range subjects {
		if admitString("subject", subject) != subject {
			t.Errorf("%s is withheld", subject)
		}
	}
	for _, subject := range []string{"hello", "hello.world", "Re: items.1", "items", "items.a b", "Items.order", "items.ä"} {
		if admitString("subject", subject) != withheld {
			t.Errorf("%s is written", subject)
		}
	}
}

// TestThereIsNoOtherWayIntoALog: every logger comes from NewLogger, and nobody below the
// commands writes to the process's own streams.
func TestThereIsNoOtherWayIntoALog(t *testing.T) {
	forbidden := map[string][]string{
		"slog": {"New", "Default", "SetDefault", "NewJSONHandler", "NewTextHandler", "Debug", "Info", "Warn", "Error", "Log"},
		"fmt":  {"Print", "Println", "Printf"},
		"os":   {"Stdout", "Stderr"},
		"log":  {"Print", "Println", "Printf", "Default", "Fatal", "Fatalf", "Panic", "Panicf", "SetOutput"},
	}
	seen := 0
	sources(t, func(path string, file *ast.File, at func(ast.Node) string) {
		commands := strings.Contains(path, "services/postern/") && !strings.Contains(path, "/demo/")
		if commands || strings.Contains(path, "pkg/run/log.go") || strings.Contains(path, "services/desk/desktest/") {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok {
				if name, plain := call.Fun.(*ast.Ident); plain && (name.Name == "println" || name.Name == "print") {
					t.Errorf("%s: %s", at(call), name.Name)
				}
				if of, ok := call.Fun.(*ast.SelectorExpr); ok && lastName(of.X) == "slog" && of.Sel.Name == "New" && discards(call) {
					seen++
					return false
				}
			}
			of, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, plain := of.X.(*ast.Ident); plain && slices.Contains(forbidden[pkg.Name], of.Sel.Name) {
				t.Errorf("%s: %s.%s: log by the logger that the service was given", at(of), pkg.Name, of.Sel.Name)
			}
			return true
		})
	})
	if seen == 0 {
		t.Error("no source was looked at")
	}
}

func discards(call *ast.CallExpr) bool {
	if len(call.Args) != 1 {
		return false
	}
	of, ok := call.Args[0].(*ast.SelectorExpr)
	return ok && of.Sel.Name == "DiscardHandler"
}

func lastName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func literal(expr ast.Expr) (string, bool) {
	constant, ok := expr.(*ast.BasicLit)
	if !ok || constant.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(constant.Value)
	return text, err == nil
}
