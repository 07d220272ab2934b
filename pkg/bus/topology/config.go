package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Permissions is the server configuration that lets every service do what it may and
// nothing else. It takes the public nkeys from variables, which KeysFile defines
// in the file keys.conf beside it.
func Permissions() string {
	var b strings.Builder
	b.WriteString("# Generated from pkg/bus/topology; a test compares. Include it in the server's configuration.\n")
	b.WriteString("# keys.conf, beside this file, gives each credential's public nkey a name: ingest_nkey: U...\n")
	b.WriteString("include \"keys.conf\"\n\n")
	body(&b, func(name string) string { return "$" + keyName(name) })
	return b.String()
}

// KeysFile is the content of keys.conf for these public nkeys, by service name.
func KeysFile(public map[string]string) (string, error) {
	var b strings.Builder
	for _, name := range Names() {
		key, ok := public[name]
		if !ok {
			return "", fmt.Errorf("nkey of %s is missing", name)
		}
		if !isPublicKey(key) {
			return "", fmt.Errorf("nkey of %s is not a public user nkey", name)
		}
		fmt.Fprintf(&b, "%s: %s\n", keyName(name), key)
	}
	return b.String(), nil
}

// Accounts is Permissions with the keys in place: one text for a server that reads no files.
func Accounts(public map[string]string) (string, error) {
	if _, err := KeysFile(public); err != nil {
		return "", err
	}
	var b strings.Builder
	body(&b, func(name string) string { return public[name] })
	return b.String(), nil
}

func body(b *strings.Builder, key func(name string) string) {
	b.WriteString("accounts {\n")
	home(b, key(Setup))
	for _, s := range Services {
		account(b, s, key(s.Name))
	}
	b.WriteString("}\n")
}

// home writes the account of the streams: each subject is open to exactly the accounts
// of the services that were granted it.
func home(b *strings.Builder, setupKey string) {
	fmt.Fprintf(b, "  %s {\n    jetstream: enabled\n", Home)
	user(b, Setup, setupKey, setupSubjects(), nil, false)
	exports(b, Home)
	b.WriteString("  }\n")
}

func account(b *strings.Builder, s Service, key string) {
	fmt.Fprintf(b, "  %s {\n", Account(s.Name))
	var says, hears []string
	for _, g := range s.Grants() {
		if g.Kind == Hear {
			hears = append(hears, g.Subject)
		} else {
			says = append(says, g.Local())
		}
	}
	if s.Answers {
		for _, operation := range Operations {
			hears = append(hears, "keyring.v1."+operation)
		}
	}
	hears = append(hears, s.Serves...)
	user(b, s.Name, key, says, hears, s.Answers || len(s.Serves) > 0)
	exports(b, Account(s.Name))
	b.WriteString("    imports: [\n")
	for _, g := range s.Grants() {
		kind := "service"
		if g.Kind == Hear {
			kind = "stream"
		}
		fmt.Fprintf(b, "      {%s: {account: %s, subject: %q}", kind, g.Account, g.Subject)
		if g.Local() != g.Subject {
			fmt.Fprintf(b, ", to: %q", g.Local())
		}
		b.WriteString("}\n")
	}
	b.WriteString("    ]\n  }\n")
}

// AnswersWithin is how long after a request its answer may come: later than anybody waits for
// one. What the keyring does at night takes minutes.
const AnswersWithin = 15 * time.Minute

// user writes the one user of an account. Its permissions repeat the imports, so that
// what is forbidden is refused aloud.
func user(b *strings.Builder, name, key string, says, hears []string, answers bool) {
	hears = append(slices.Clone(hears), Inbox(name)+".>")
	fmt.Fprintf(b, "    users: [{nkey: %s, permissions: {\n", key)
	fmt.Fprintf(b, "      publish: {allow: %s}\n", list(says))
	fmt.Fprintf(b, "      subscribe: {allow: %s}\n", list(hears))
	if answers {
		fmt.Fprintf(b, "      allow_responses: {max: 1, expires: \"%.0fm\"}\n", AnswersWithin.Minutes())
	}
	b.WriteString("    }}]\n")
}

// exports writes what other accounts may reach in this one, and which.
func exports(b *strings.Builder, exporter string) {
	open := make(map[Grant][]string)
	for _, s := range Services {
		for _, g := range s.Grants() {
			if g.Account == exporter {
				open[g] = append(open[g], Account(s.Name))
			}
		}
	}
	if len(open) == 0 {
		return
	}
	b.WriteString("    exports: [\n")
	for _, g := range slices.SortedFunc(maps.Keys(open), compareGrants) {
		accounts := strings.Join(open[g], ", ")
		switch g.Kind {
		case Ask:
			fmt.Fprintf(b, "      {service: %q, accounts: [%s]}\n", g.Subject, accounts)
		case Draw:
			fmt.Fprintf(b, "      {service: %q, response_type: stream, accounts: [%s]}\n", g.Subject, accounts)
		case Hear:
			fmt.Fprintf(b, "      {stream: %q, accounts: [%s]}\n", g.Subject, accounts)
		}
	}
	b.WriteString("    ]\n")
}

func list(subjects []string) string {
	if len(subjects) == 0 {
		return "[]"
	}
	quoted := make([]string, len(subjects))
	for i, s := range subjects {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// Inbox is the prefix of the subjects on which a service receives answers.
func Inbox(service string) string { return "_INBOX_" + service }

func keyName(service string) string { return strings.ReplaceAll(service, "-", "_") + "_nkey" }

// isPublicKey accepts the form of a public user nkey: U and base32.
func isPublicKey(key string) bool {
	if len(key) != 56 || key[0] != 'U' {
		return false
	}
	for i := range len(key) {
		if c := key[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
