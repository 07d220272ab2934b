package topology

import (
	"slices"
	"strings"
)

// Home is the server account that holds the streams. Nobody signs in to it but Setup.
const Home = "POSTERN"

// Account is the server account of a service. It is empty but for what the service
// may reach. A request names the subject of its own answer, and the server's own
// answers pass every permission: were all services in one account, any of them could have
// the server write into another's stream. From an account of its own an answer can reach
// nothing but itself.
func Account(service string) string {
	return strings.ToUpper(strings.ReplaceAll(service, "-", "_"))
}

// A Grant lets a service reach one subject in another account.
type Grant struct {
	Account string // that holds whoever listens
	Subject string
	Kind    GrantKind
}

// GrantKind says what passes.
type GrantKind int

const (
	Ask  GrantKind = iota // one message there, one back
	Draw                  // one message there, many back
	Hear                  // messages from there
)

// API is where a service finds the requests of JetStream in its own account. The server
// answers those under its own prefix there itself, with a refusal.
const API = "API."

// serverAPI is the server's own prefix.
const serverAPI = "$JS.API."

// Local is the subject under which the service finds the grant.
func (g Grant) Local() string {
	if rest, ok := strings.CutPrefix(g.Subject, serverAPI); ok {
		return API + rest
	}
	return g.Subject
}

// Prefix is the prefix of JetStream's requests for a credential.
func Prefix(name string) string {
	if name == Setup {
		return serverAPI
	}
	return API
}

// Grants are all that a service may reach, sorted.
func (s Service) Grants() []Grant {
	var g []Grant
	home := func(kind GrantKind, subjects ...string) {
		for _, subject := range subjects {
			g = append(g, Grant{Home, subject, kind})
		}
	}
	home(Ask, s.Publishes...)
	for _, operation := range s.Asks {
		g = append(g, Grant{Account("keyring"), "keyring.v1." + operation, Ask})
	}
	for _, subject := range s.Requests {
		g = append(g, Grant{Account(serverOf(subject)), subject, Ask})
	}
	for _, stream := range s.Touches() {
		home(Ask, serverAPI+"STREAM.INFO."+stream)
	}
	for _, stream := range s.Reads {
		home(Ask, serverAPI+"DIRECT.GET."+stream+".>", serverAPI+"STREAM.MSG.GET."+stream)
		home(Draw, serverAPI+"DIRECT.GET."+stream)
	}
	for _, stream := range s.Headers {
		consumer := stream + "." + HeadersConsumer(s.Name)
		home(Ask, serverAPI+"CONSUMER.INFO."+consumer, serverAPI+"CONSUMER.RESET."+consumer)
		home(Draw, serverAPI+"CONSUMER.MSG.NEXT."+consumer)
	}
	for _, name := range s.Hears {
		if stream, ok := StreamNamed(name); ok {
			home(Hear, stream.Told())
		}
	}
	for _, c := range s.Stages() {
		consumer := c.Stream + "." + c.Stage
		home(Ask, serverAPI+"CONSUMER.INFO."+consumer, serverAPI+"CONSUMER.RESET."+consumer, "$JS.ACK."+consumer+".>")
		home(Draw, serverAPI+"CONSUMER.MSG.NEXT."+consumer)
		home(Ask, "deaths."+c.Stage+".*", serverAPI+"DIRECT.GET."+Deaths+".deaths."+c.Stage+".*")
	}
	if s.Leases {
		home(Ask, "leases."+s.Name+".*", serverAPI+"DIRECT.GET."+Leases+".leases."+s.Name+".*")
	}
	slices.SortFunc(g, compareGrants)
	return slices.Compact(g)
}

// setupSubjects is what Setup may publish in Home. It creates and changes, and
// deletes nothing; the limits of what is kept for ever it cannot change either.
func setupSubjects() []string {
	var subjects []string
	for _, stream := range Streams {
		subjects = append(subjects, serverAPI+"STREAM.INFO."+stream.Name, serverAPI+"STREAM.CREATE."+stream.Name)
		if !stream.Forever {
			subjects = append(subjects, serverAPI+"STREAM.UPDATE."+stream.Name)
		}
	}
	for _, c := range AllConsumers() {
		name := c.Stream + "." + c.Name
		subjects = append(subjects, serverAPI+"CONSUMER.INFO."+name, serverAPI+"CONSUMER.CREATE."+name+".>",
			serverAPI+"CONSUMER.CREATE."+name, serverAPI+"CONSUMER.RESET."+name)
	}
	slices.Sort(subjects)
	return subjects
}

// A Durable is a consumer as Setup creates it: a stage's inlet, or a reader of headers.
type Durable struct {
	Stream, Name string
	Inlet        *Consumer // nil for a reader of headers
}

// AllConsumers are all durable consumers.
func AllConsumers() []Durable {
	var all []Durable
	for i, c := range Consumers {
		all = append(all, Durable{c.Stream, c.Stage, &Consumers[i]})
	}
	for _, s := range Services {
		for _, stream := range s.Headers {
			all = append(all, Durable{stream, HeadersConsumer(s.Name), nil})
		}
	}
	return all
}

// StreamOf returns the stream that keeps what is published on subject, which may be a wildcard.
func StreamOf(subject string) (Stream, bool) {
	for _, stream := range Streams {
		if slices.ContainsFunc(stream.Subjects(), func(kept string) bool { return covers(kept, subject) }) {
			return stream, true
		}
	}
	return Stream{}, false
}

// covers reports whether every subject that matches inner matches outer. Neither
// holds ">": no stream and no publisher has it.
func covers(outer, inner string) bool {
	o, i := strings.Split(outer, "."), strings.Split(inner, ".")
	if len(o) != len(i) {
		return false
	}
	for n := range o {
		if o[n] != "*" && o[n] != i[n] {
			return false
		}
	}
	return true
}

func compareGrants(a, b Grant) int {
	if c := strings.Compare(a.Account, b.Account); c != 0 {
		return c
	}
	if c := strings.Compare(a.Subject, b.Subject); c != 0 {
		return c
	}
	return int(a.Kind) - int(b.Kind)
}
