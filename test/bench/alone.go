package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/dir"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// aloneWord starts this program as ingest without the rest.
const aloneWord = "ingest-alone"

// An aloneOrder is which mailboxes ingest alone reads: as many as there are, all of one account.
type aloneOrder struct {
	Dir, Host, CAFile, User, Password string
	Port, Mailboxes                   int
	TLS                               imap.Security
	Folders                           []string
	Unsynced                          bool // the vault is a folder that does not sync
}

// runAlone is ingest with a vault in a folder that syncs, and a keyring and a bus that answer at once: what
// reading, sealing and storing cost, and nothing else. It works until its input ends.
func runAlone(in io.Reader, out io.Writer) error {
	run.SpendMemory()
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		return errors.New("ingest alone: no order")
	}
	var o aloneOrder
	if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
		return fmt.Errorf("ingest alone: order: %w", err)
	}
	store, err := dir.Open(o.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	var kept ingest.Vault = store
	if o.Unsynced {
		kept = loose(o.Dir)
	}
	world := &nothing{}
	if world.key, err = open.GenerateBucketKey("intake.raw.20261121.0"); err != nil {
		return err
	}
	c := ingest.Default()
	for i := range max(o.Mailboxes, 1) {
		c.Mailboxes = append(c.Mailboxes, ingest.Mailbox{
			ID: fmt.Sprintf("bench-%d", i), Host: o.Host, Port: o.Port, TLS: o.TLS, CAFile: o.CAFile, Username: o.User,
			PasswordFile: config.Secret(o.Password), Folders: o.Folders,
		})
	}
	service, err := ingest.New(c, ingest.Deps{
		Vault: kept, Intake: world, Registrar: world, Publisher: world, Cursors: world, Leases: world, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	say := speaker(out)
	go func() {
		for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			say(report{Done: int(world.done.Load()), CPU: cpuOf(syscall.RUSAGE_SELF) + confined(), Peak: peakOf(os.Getpid()), Time: time.Now().UnixNano()})
		}
	}()
	for lines.Scan() {
	}
	cancel()
	return <-ended
}

// loose is a folder that writes files and leaves the rest to the system.
type loose string

func (l loose) Put(_ context.Context, name string, body io.Reader, _ vault.PutOptions) (o vault.Object, err error) {
	file, err := os.Create(filepath.Join(string(l), strings.ReplaceAll(name, "/", ".")))
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err := io.Copy(file, body)
	return vault.Object{Name: name, Size: n}, err
}

// nothing is a keyring and a bus that remember nothing.
type nothing struct {
	key  *open.BucketKey
	done atomic.Int64 // registered
}

func (n *nothing) Bucket(context.Context, time.Time) (*keyringv1.PublicBucket, error) {
	return &keyringv1.PublicBucket{Bucket: "intake.raw.20261121.0", PublicKey: n.key.Recipient().PublicKey()}, nil
}

func (n *nothing) Register(_ context.Context, r *keyringv1.Register) (*keyringv1.Recorded, error) {
	n.done.Add(1)
	return &keyringv1.Recorded{Changed: true, Record: &itemv1.Record{
		Item: event.Item(r.Mailbox, r.Folder, r.UidValidity, r.Uid, r.Generation), Mailbox: r.Mailbox, Folder: r.Folder,
		UidValidity: r.UidValidity, Uid: r.Uid, Size: r.Size, InternalDate: r.InternalDate, Received: timestamppb.Now(),
		State: itemv1.State_STATE_REGISTERED, Layers: []*itemv1.Layer{r.Raw},
	}}, nil
}

func (n *nothing) SetAside(context.Context, *keyringv1.SetAside) (*keyringv1.Recorded, error) {
	return nil, errors.New("nothing is set aside here")
}

func (n *nothing) Publish(context.Context, *eventv1.Envelope) error { return nil }

func (n *nothing) Load(context.Context, string) (*ingestv1.Cursor, uint64, error) {
	return nil, 0, nil
}

func (n *nothing) Save(_ context.Context, _ *ingestv1.Cursor, revision uint64) (uint64, error) {
	return revision + 1, nil
}

func (n *nothing) Hold(ctx context.Context, _ string) (context.Context, func(), error) {
	return ctx, func() {}, nil
}
