// Package doctor looks at everything that a Postern needs, without changing any of it:
// configuration, reachability, permissions, encryption on the way and at rest, the key
// root, clocks. What is not well is told with what to do.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// A State is how something is.
type State int

const (
	Well State = iota
	Doubtful
	Ill
)

// A Finding is the outcome of one check.
type Finding struct {
	Subject string // config, bus, vault, ...
	State   State
	What    string
	Advice  string // what to do; "" where nothing is to be done
}

// patience bounds each check that waits for a server.
const patience = 8 * time.Second

// countPatience bounds the reading of all records; of more there is a share.
const countPatience = time.Minute

// maxSkew is how far servers' clocks may differ.
const maxSkew = 30 * time.Second

type examination struct {
	path    string // of the configuration
	config  wiring.Config
	process *wiring.Process
	conn    *bus.Conn
	yield   func(Finding) bool
	over    bool
	listed  bool   // the vault answers
	version string // of clamd's signatures; empty where it is not told
}

// Examine checks one thing after another and tells each as it is found.
func Examine(ctx context.Context, path string) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		x := &examination{path: path, yield: yield}
		config, err := wiring.Load(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			x.ill("config", err.Error(), "name it with --config; deploy/config/postern.yaml is one to begin with")
			return
		case errors.Is(err, os.ErrPermission):
			x.ill("config", err.Error(), "run doctor as the user that Postern runs as, or let it read the file")
			return
		case err != nil:
			x.ill("config", err.Error(), "correct the file; docs/config.md explains every key")
			return
		}
		x.config = config
		x.process = wiring.Visit(config, wiring.Options{Log: silent()})
		x.well("config", "the file reads, and its values fit together")
		defer x.close()
		for _, check := range []func(context.Context){
			x.machine, x.confined, x.files, x.disk, x.bus, x.permissions, x.redis, x.vault, x.sealed, x.clamd, x.dns, x.mailboxes, x.boundaries, x.desk, x.keyring, x.clocks,
		} {
			if x.over {
				return
			}
			within, cancel := context.WithTimeout(ctx, patience)
			check(within)
			cancel()
		}
		if !x.over { // at last: it reads every record
			within, cancel := context.WithTimeout(ctx, countPatience)
			x.outdated(within)
			cancel()
		}
	}
}

func (x *examination) close() {
	if x.conn != nil {
		x.conn.Close()
	}
	if x.process != nil {
		x.process.Close()
	}
}

func (x *examination) tell(f Finding) { x.over = x.over || !x.yield(f) }
func (x *examination) well(subject, what string) {
	x.tell(Finding{subject, Well, what, ""})
}
func (x *examination) note(subject, what, advice string) {
	x.tell(Finding{subject, Doubtful, what, advice})
}
func (x *examination) ill(subject, what, advice string) {
	x.tell(Finding{subject, Ill, what, advice})
}

// inside says whether the bus is within the one process, which doctor does not start: where it
// runs, doctor asks it by its door.
func (x *examination) inside() bool { return x.config.NATS.URL == "" }

// bus signs in with doctor's own credential, which may look and nothing else.
func (x *examination) bus(ctx context.Context) {
	if x.inside() {
		running, err := wiring.AtBus(x.config, wiring.Options{Log: silent()})
		switch {
		case errors.Is(err, wiring.ErrNotRunning):
			x.well("bus", "it is inside the process, which does not run now: no port, no network")
			return
		case err != nil:
			x.ill("bus", err.Error(), "run doctor as the user that Postern runs as")
			return
		}
		x.process.Close()
		x.process = running
	}
	conn, err := x.process.Connect(ctx, topology.Doctor)
	switch {
	case errors.Is(err, os.ErrNotExist):
		x.ill("bus", err.Error(), "run postern setup where the seeds are made, and copy doctor.seed into nats.nkeys")
		return
	case errors.Is(err, bus.ErrDenied):
		x.ill("bus", "the server refuses doctor's nkey", "include the permissions that postern setup wrote into the server's configuration, and reload it")
		return
	case err != nil:
		x.ill("bus", err.Error(), "start the servers of nats.url, or correct it or nats.ca_file")
		return
	}
	switch err := conn.Check(ctx); {
	case errors.Is(err, bus.ErrDenied):
		conn.Close()
		x.ill("bus", "the server does not let doctor's nkey look at the streams", "put doctor's own seed into nats.nkeys; include the permissions that postern setup wrote, and reload the server")
		return
	case err != nil:
		conn.Close()
		x.ill("bus", err.Error(), "run postern setup")
		return
	}
	x.conn = conn
	x.well("bus", "it answers, and the streams are there")
	switch {
	case x.inside():
		x.well("bus", "it is inside the process that runs: no port, no network")
	case conn.Encrypted() && x.config.NATS.CAFile != "":
		x.well("bus", "TLS, checked against "+x.config.NATS.CAFile)
	case conn.Encrypted():
		x.well("bus", "TLS, checked against the machine's authorities")
	case !loopback(x.config.NATS.URL):
		x.ill("bus", "it is spoken to without TLS over a network", "give the servers certificates and set nats.ca_file")
	default:
		x.well("bus", "no TLS, and it does not leave this machine")
	}
}

// permissions tries, with doctor's credential, what it must not be allowed.
func (x *examination) permissions(ctx context.Context) {
	if x.conn == nil {
		return
	}
	// Expected after a message that is not there: where it is allowed, nothing is written all the same.
	_, err := x.conn.Publish(ctx, "items.doctor", nil, bus.ExpectLastSubjectSeq(math.MaxInt64))
	if errors.Is(err, bus.ErrDenied) {
		x.well("permissions", "a credential cannot write what is not its own")
		return
	}
	x.ill("permissions", "doctor's credential could write an item record, or the server did not say no", "include the permissions that postern setup wrote, and reload the server")
}

func (x *examination) keyring(ctx context.Context) {
	if x.inside() {
		x.root()
		x.rootCopy()
		if x.conn == nil { // nothing runs that could be asked
			return
		}
	}
	if x.conn == nil { // told by the bus's check
		x.note("keyring", "it cannot be asked without the bus", "see to the bus first")
		return
	}
	tool, err := x.process.Tool(ctx, topology.Doctor)
	if err != nil {
		x.ill("keyring", err.Error(), "run postern setup")
		return
	}
	defer tool.Conn.Close()
	status, err := tool.Client.Status(ctx)
	if errors.Is(err, keys.StaleRequest) {
		x.ill("clock", "the keyring's clock is more than a minute from ours", "set the clocks by NTP, and clock.offset alike everywhere: until then the keyring answers nobody here")
		return
	}
	if err != nil {
		x.ill("keyring", err.Error(), "start the keyring: postern run --config FILE keyring")
		return
	}
	x.well("keyring", fmt.Sprintf("it answers: generation %d, root in a %s", status.GetGeneration(), status.GetCell()))
	if !x.inside() && !strings.Contains(status.GetCell(), "copy") {
		x.note("key root", noCopy, adviceOnCopy)
	}
	if skew := status.GetClock().AsTime().Sub(x.process.Clock.Now()).Abs(); skew > maxSkew {
		x.ill("clock", fmt.Sprintf("the keyring's clock is %v from ours", skew.Round(time.Second)), "set the clocks by NTP: nothing is destroyed while they disagree")
	}
}

// loopback says whether every one of some addresses, or URLs, comma separated, is on this machine.
func loopback(addresses string) bool {
	for address := range strings.SplitSeq(addresses, ",") {
		address = strings.TrimSpace(address)
		if at, err := url.Parse(address); err == nil && at.Host != "" {
			address = at.Host
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = strings.Trim(address, "[]")
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}
