package promise1

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/services/keyring"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// Where a call is made.
const (
	onBus   = "bus"
	inVault = "vault"
	onDisk  = "disk" // of the keyring
	eraser  = "erase"
	onIMAP  = "imap"
	onClamd = "clamd"
)

// A call is one call that a process makes to something outside its memory.
type call struct {
	Where string
	Who   string // the service, on the bus
	Kind  string
	What  string // subject, object, file or command
	By    string // the service, wherever it is known
}

// A meddler stands between a process and everything that outlives it. It is told of
// every call and must make it once, or return an error.
type meddler interface {
	around(c call, do func() error) error
}

// hooks give the wiring what stands in between.
type hooks struct{ meddler }

// options are those of a Postern with a meddler in every call, and its log in a file.
func (h hooks) options(log io.Writer) wiring.Options {
	return wiring.Options{
		Log: slog.New(slog.NewTextHandler(log, nil)), Around: h.bus, Vault: h.vault, Eraser: h.eraser, Disk: h.disk,
	}
}

// logFile is where the lives over one data directory write, one after another.
func (l life) logFile() (*os.File, error) {
	return os.OpenFile(filepath.Join(l.Data, "postern.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func (h hooks) bus(service string) bus.Around {
	return func(c bus.Call, do func() error) error {
		return h.around(call{onBus, service, string(c.Kind), c.Subject, service}, do)
	}
}

func (h hooks) vault(store vault.Store) vault.Store { return meddledVault{store, h} }
func (h hooks) eraser(e erase.Eraser) erase.Eraser  { return meddledEraser{e, h} }
func (h hooks) disk(d keyring.Disk) keyring.Disk    { return meddledDisk{d, h} }
func (h hooks) imap(command string, do func() error) error {
	return h.around(call{onIMAP, "ingest", "command", command, "ingest"}, do)
}

type meddledVault struct {
	store vault.Store
	hooks hooks
}

func (v meddledVault) call(ctx context.Context, kind, name string, do func() error) error {
	by, _ := pprof.Label(ctx, "service") // the wiring has every service work under its name
	return v.hooks.around(call{inVault, "", kind, name, by}, do)
}

func (v meddledVault) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (object vault.Object, err error) {
	err = v.call(ctx, "put", name, func() error {
		object, err = v.store.Put(ctx, name, body, opts)
		return err
	})
	return object, err
}

func (v meddledVault) Get(ctx context.Context, name string) (body io.ReadCloser, object vault.Object, err error) {
	err = v.call(ctx, "get", name, func() error {
		body, object, err = v.store.Get(ctx, name)
		return err
	})
	return body, object, err
}

func (v meddledVault) Stat(ctx context.Context, name string) (object vault.Object, err error) {
	err = v.call(ctx, "stat", name, func() error {
		object, err = v.store.Stat(ctx, name)
		return err
	})
	return object, err
}

func (v meddledVault) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		if err := v.call(ctx, "list", prefix, func() error { return nil }); err != nil {
			yield(vault.Object{}, err)
			return
		}
		v.store.List(ctx, prefix, after)(yield)
	}
}

func (v meddledVault) SetTags(ctx context.Context, name string, tags map[string]string) error {
	return v.call(ctx, "tag", name, func() error { return v.store.(vault.Filer).SetTags(ctx, name, tags) })
}

func (v meddledVault) Retain(ctx context.Context, name string, until time.Time) error {
	return v.call(ctx, "retain", name, func() error { return v.store.(vault.Filer).Retain(ctx, name, until) })
}

func (v meddledVault) Marks(ctx context.Context, name string) (vault.Marks, error) {
	return v.store.(vault.Filer).Marks(ctx, name)
}

type meddledEraser struct {
	eraser erase.Eraser
	hooks  hooks
}

func (e meddledEraser) Erase(ctx context.Context, name string) (report erase.Report, err error) {
	err = e.hooks.around(call{eraser, "", "erase", name, "retain"}, func() error {
		report, err = e.eraser.Erase(ctx, name)
		return err
	})
	return report, err
}

func (e meddledEraser) Remains(ctx context.Context, name string) (erase.Report, error) {
	return e.eraser.Remains(ctx, name)
}

func (e meddledEraser) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	return e.eraser.Sweep(ctx, prefix, before)
}

type meddledDisk struct {
	keyring.Disk
	hooks hooks
}

func (d meddledDisk) call(kind, name string, do func() error) error {
	return d.hooks.around(call{onDisk, "keyring", kind, name, "keyring"}, do)
}

func (d meddledDisk) WriteAt(name string, offset int64, data []byte) error {
	kind := "write"
	if blank(data) {
		kind = "blank"
	}
	return d.call(kind, name, func() error { return d.Disk.WriteAt(name, offset, data) })
}

func blank(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

func (d meddledDisk) Sync(name string) error {
	return d.call("sync", name, func() error { return d.Disk.Sync(name) })
}

func (d meddledDisk) Rename(from, to string) error {
	return d.call("rename", to, func() error { return d.Disk.Rename(from, to) })
}

func (d meddledDisk) Remove(name string) error {
	return d.call("remove", name, func() error { return d.Disk.Remove(name) })
}

func (d meddledDisk) SyncFolder(folder string) error {
	return d.call("sync folder", folder, func() error { return d.Disk.SyncFolder(folder) })
}

// A pattern picks calls; the zero pattern picks all.
type pattern struct {
	Where, Who, Kind string
	What             string // how it begins
	Nth              int    // which of them; 0 is the first
	OfEach           bool   // counted for each subject by itself: the nth change of a record
}

func (p pattern) fits(c call) bool {
	if p.Where == "" {
		return true
	}
	return p.Where == c.Where && (p.Who == "" || p.Who == c.Who) && p.Kind == c.Kind && strings.HasPrefix(c.What, p.What)
}

// A counter tells when the call that a pattern means is made. It counts only once calls
// of all the patterns before have been made, in their order.
type counter struct {
	since []pattern
	pattern
	mu   sync.Mutex
	seen map[string]int
}

func (k *counter) hit(c call) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.since) > 0 {
		if k.since[0].fits(c) {
			k.since = k.since[1:]
		}
		return false
	}
	if !k.fits(c) {
		return false
	}
	name := ""
	if k.OfEach {
		name = c.What
	}
	if k.seen == nil {
		k.seen = map[string]int{}
	}
	k.seen[name]++
	return k.seen[name] == max(k.Nth, 1)
}
