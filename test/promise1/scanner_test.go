package promise1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// A scanner is a clamd whose signatures have a version; those that see find the heron.
type scanner struct {
	version string
	hooks   hooks
}

func (s scanner) Signatures(context.Context) (string, error) { return s.version, nil }

func (s scanner) Scan(_ context.Context, r io.Reader) (attachment.Opinion, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return attachment.Opinion{}, err
	}
	what := ""
	if strings.Contains(string(content), heron) {
		what = heron
	}
	opinion := attachment.Opinion{Verdict: attachment.Clean}
	err = s.hooks.around(call{onClamd, "", "scan", what, "scan"}, func() error {
		if what != "" && s.version == seeing {
			opinion = attachment.Opinion{Verdict: attachment.Infected, Reason: attachment.ScannerSignature, Signature: "Test.Heron"}
		}
		return nil
	})
	return opinion, err
}

// equip gives a process its scanner, and the leases that one before it left.
func (l life) equip(ctx context.Context, p *wiring.Process, h hooks) error {
	if l.Scanner == "" {
		return nil
	}
	p.SecondOpinion = scanner{l.Scanner, h}
	tool, err := p.Tool(ctx, "scan")
	if err != nil {
		return err
	}
	defer tool.Conn.Close()
	_, err = tool.Conn.Publish(ctx, "leases.scan.sweep", []byte("freed"))
	return err
}

// anew is what became of files whose signatures changed.
type anew struct {
	Version  string         // with which all were judged at last; "": with several
	Recalled []string       // in records: the file's name, its verdict, and the version that found it
	Acts     []string       // of recalling, in AUDIT
	Fetched  map[string]int // at the end: the file's name, and with which status it is fetched
	Bad      []string       // what cannot be right at any moment

	faults int // calls of which a fetch may still notice that they are made to fail
}

// filesOf are the names of the files of a ticket, in their order, by its page; nil where there is none.
func filesOf(page string) []string {
	switch {
	case strings.Contains(page, "second.txt"):
		return []string{"first.txt", "second.txt"}
	case strings.Contains(page, "third.txt"):
		return []string{"third.txt"}
	}
	return nil
}

// judgedAnew waits until every file was judged with the scanner's signatures and every ticket has heard what is
// recalled, and fetches files all the while: none that was told to be recalled may be handed out.
func (l life) judgedAnew(ctx context.Context, p *wiring.Process) (*anew, error) {
	agent, err := signIn(ctx, p)
	if err != nil {
		return nil, err
	}
	defer agent.close()
	tool, err := p.Tool(ctx, topology.Rebuild)
	if err != nil {
		return nil, err
	}
	defer tool.Conn.Close()
	stages, done, err := consumers(into(p))
	if err != nil {
		return nil, err
	}
	defer done()
	a := &anew{}
	if l.Fault != nil {
		a.faults = 1
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		rest, err := a.round(ctx, l, tool.Conn, agent)
		if err != nil {
			return nil, err
		}
		if rest {
			busy, _, err := stages(ctx)
			if err != nil {
				return nil, err
			}
			rest = busy == ""
		}
		if rest {
			return a, a.end(ctx, tool.Conn)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("not judged anew, %+v: %w", *a, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// round reads what is told, and then fetches every file once.
func (a *anew) round(ctx context.Context, l life, conn *bus.Conn, agent *agent) (rest bool, err error) {
	told, err := recalledOnTickets(ctx, conn)
	if err != nil {
		return false, err
	}
	a.Version, a.Recalled, a.Fetched = l.Scanner, nil, map[string]int{}
	rest, tickets := true, 0
	for record, err := range records(ctx, conn) {
		if err != nil {
			return false, err
		}
		if record.GetState() != itemv1.State_STATE_TICKETED {
			continue
		}
		tickets++
		version, files := event.JudgedWith(record)
		if !files {
			continue
		}
		if version != l.Scanner {
			a.Version, rest = "", false
		}
		names, err := a.fetch(agent, record, told[record.GetTicket()])
		if err != nil {
			return false, err
		}
		if names == nil { // the board does not have it yet
			rest = false
			continue
		}
		for _, file := range record.GetRecalled() {
			a.Recalled = append(a.Recalled, fmt.Sprintf("%s %s %s", names[file.GetIndex()], file.GetVerdict(), file.GetSignatures()))
		}
		rest = rest && len(told[record.GetTicket()]) == len(record.GetRecalled())
	}
	return rest && tickets == l.Mails, nil
}

// fetch fetches the files of one ticket after its record was read, and what its ticket was told.
func (a *anew) fetch(agent *agent, record *itemv1.Record, told []int32) ([]string, error) {
	status, page, err := agent.get("/tickets/" + record.GetTicket())
	if err != nil || status != http.StatusOK {
		return nil, err
	}
	names := filesOf(page)
	for index, name := range names {
		status, content, err := a.file(agent, record.GetTicket(), index)
		if err != nil {
			return nil, err
		}
		a.Fetched[name] = status
		recalled := slices.ContainsFunc(record.GetRecalled(), func(f *itemv1.Recalled) bool { return int(f.GetIndex()) == index })
		switch infected := name == "first.txt"; {
		case status == http.StatusOK && infected != strings.Contains(content, heron):
			a.Bad = append(a.Bad, name+" is fetched with other content")
		case status == http.StatusOK && (recalled || infected && len(told) > 0):
			a.Bad = append(a.Bad, name+" is fetched after it was told to be recalled")
		case status != http.StatusOK && !infected:
			a.Bad = append(a.Bad, fmt.Sprintf("%s, which is clean, is fetched with %d", name, status))
		case status != http.StatusOK && status != http.StatusForbidden:
			a.Bad = append(a.Bad, fmt.Sprintf("%s is fetched with %d", name, status))
		}
	}
	return names, nil
}

// file fetches one file. The keyring writes what several ask of it into the audit log with one call: where that call
// is the one that is made to fail, a fetch may fail with it, and the next does not.
func (a *anew) file(agent *agent, ticket string, index int) (status int, content string, err error) {
	path := fmt.Sprintf("/tickets/%s/files/%d", ticket, index)
	status, content, err = agent.get(path)
	if err == nil && status == http.StatusServiceUnavailable && a.faults > 0 {
		a.faults--
		return agent.get(path)
	}
	return status, content, err
}

// recalledOnTickets are the packets that each ticket was told of. It is told of each more than once, or of all at once.
func recalledOnTickets(ctx context.Context, conn *bus.Conn) (map[string][]int32, error) {
	told := map[string][]int32{}
	for message, err := range conn.Scan(ctx, topology.Tickets, 1) {
		if err != nil {
			return nil, err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return nil, err
		}
		if recalled, ok := said.(*ticketv1.Recalled); ok {
			told[recalled.GetTicket()] = recalled.GetPackets()
		}
	}
	return told, nil
}

// end reads the acts.
func (a *anew) end(ctx context.Context, conn *bus.Conn) error {
	for message, err := range conn.Scan(ctx, topology.Audit, 1) {
		if err != nil {
			return err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return err
		}
		entry, _ := said.(*auditv1.Entry)
		for _, act := range entry.GetActs() {
			if act.GetAction() == "recall" {
				a.Acts = append(a.Acts, fmt.Sprintf("%s %d %s %s", act.GetActor(), act.GetValue(), act.GetPurpose(), act.GetOutcome()))
			}
		}
	}
	return nil
}

// An agent is signed in at the desk.
type agent struct {
	client http.Client
	server *httptest.Server
}

func (a *agent) close() { a.server.Close() }

func (a *agent) get(path string) (status int, body string, err error) {
	response, err := a.client.Get(a.server.URL + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func signIn(ctx context.Context, p *wiring.Process) (*agent, error) {
	web, err := p.Desk(ctx)
	if err != nil {
		return nil, err
	}
	if err := desk.NewDirectory(p.Config.Desk.UsersFile).Save(desk.User{Name: "anna", Roles: []desk.Role{desk.Agent}}); err != nil {
		return nil, err
	}
	link, err := desk.NewLink(ctx, p.Config.Desk, p.Model.Short(), "anna")
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(link)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	a := &agent{http.Client{Jar: jar}, httptest.NewServer(web.Handler())}
	response, err := a.client.PostForm(a.server.URL+address.Path, nil)
	if err != nil {
		a.close()
		return nil, err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		a.close()
		return nil, errors.New("the desk lets nobody in")
	}
	return a, nil
}
