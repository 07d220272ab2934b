package promise2

import (
	"bytes"
	"context"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
	"github.com/postern-mail/postern/test/search"
)

// leak runs a service as postern does, but for two careless parts: what asks name servers for
// verify prints what it asks, as a library in trouble might, and what scans attachments for scan
// leaves them in temporary files.
func leak(ctx context.Context, config wiring.Config, service string) error {
	process, err := wiring.New(ctx, config, wiring.Options{})
	if err != nil {
		return err
	}
	defer process.Close()
	switch service {
	case "verify":
		process.Resolver = leakyResolver{process.Resolver}
	case "scan":
		process.SecondOpinion = leakyOpinion{process.SecondOpinion}
	}
	return process.Run(ctx, service)
}

type leakyResolver struct{ mailauth.Resolver }

func (l leakyResolver) Lookup(ctx context.Context, kind dns.Type, name string) (dns.Answer, error) {
	log.Printf("asking about %s", name)
	return l.Resolver.Lookup(ctx, kind, name)
}

type leakyOpinion struct{ attachment.SecondOpinion }

func (l leakyOpinion) Scan(ctx context.Context, r io.Reader) (attachment.Opinion, error) {
	file, err := os.CreateTemp("", "scanned-*")
	if err != nil {
		return attachment.Opinion{}, err
	}
	defer file.Close()
	var content bytes.Buffer
	if _, err := io.Copy(io.MultiWriter(&content, file), r); err != nil {
		return attachment.Opinion{}, err
	}
	return l.SecondOpinion.Scan(ctx, &content)
}

// The search must see what a service itself lets out, on the ways that it would take: the mails
// are the same, and so are the places.
func TestTheSearchSeesWhatCarelessServicesLeak(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, fleet.Options{Program: self, Env: []string{leaksVariable + "=1", programVariable + "=" + program.Path(t)}})
	sent := mails(t)
	if err := p.fleet.Append(program.Context(t), delivered(sent)...); err != nil {
		t.Fatal(err)
	}
	if _, err := p.fleet.WaitSettled(program.Context(t), len(sent)); err != nil {
		t.Fatal(err)
	}
	p.fleet.Stop()
	found := p.search(t)
	leaks := map[string]string{
		"a line that verify printed":      p.fleet.LogFile("verify"),
		"a temporary file that scan left": filepath.Join(p.fleet.Folder("scan"), "tmp") + string(filepath.Separator),
	}
	for what, where := range leaks {
		if !slices.ContainsFunc(found.Hits, func(hit search.Hit) bool { return strings.HasPrefix(hit.Path, where) }) {
			t.Errorf("%s is not found", what)
		}
	}
	for _, hit := range found.Hits { // and it says of nothing else that it leaks
		if !strings.HasPrefix(hit.Path, leaks["a line that verify printed"]) && !strings.HasPrefix(hit.Path, leaks["a temporary file that scan left"]) {
			t.Errorf("%s", hit)
		}
	}
}
