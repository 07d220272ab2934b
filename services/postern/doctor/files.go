package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/verify"
)

// files looks at what must be secret, and at who may sign in.
func (x *examination) files(context.Context) {
	if info, err := os.Stat(x.path); err == nil && info.Mode().Perm()&0o002 != 0 {
		x.ill("config", x.path+" can be changed by everybody", "chmod o-w "+x.path)
	}
	info, err := os.Stat(x.config.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.note("data", x.config.DataDir+" is not there yet", "it is made at the first start")
	case err != nil:
		x.ill("data", err.Error(), "let the user that runs Postern use it")
	case info.Mode().Perm()&0o077 != 0:
		x.ill("data", x.config.DataDir+" can be entered by others", "chmod 700 "+x.config.DataDir)
	default:
		x.well("data", x.config.DataDir+" is its owner's alone")
	}
	x.signingKey("audit key", x.config.Audit.Key)
	x.signingKey("certificate", x.config.Retain.Key)
	x.seeds()
	x.users()
	x.authors()
	x.decryption()
}

// secretFrom are the permissions that a secret file may not give. A group may read, as mounted
// secrets need it.
const secretFrom fs.FileMode = 0o027

// kept tells whether a secret is kept from others. Of a file that is not there it says
// nothing: it is made at the first start, or another machine's.
func (x *examination) kept(subject, path, danger string) bool {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		x.ill(subject, err.Error(), "let the user that runs Postern read it")
		return false
	case info.Mode().Perm()&secretFrom != 0:
		x.ill(subject, path+" can be read or changed by others: "+danger, "chmod 600 "+path+", and find out who could read it")
		return false
	}
	return true
}

func (x *examination) signingKey(subject, path string) {
	if !x.kept(subject, path, "whoever has it signs in Postern's name") {
		return
	}
	switch err := signet.Check(path); {
	case errors.Is(err, fs.ErrNotExist):
		x.note(subject, path+" has no public half beside it", "it is made again from the key at the next start")
	case err != nil:
		x.ill(subject, err.Error(), "put the right key back; where only the .pub file is wrong, remove it: it is made again from the key")
	default:
		x.well(subject, "signs with "+path+"; its public half is beside it")
	}
}

// seeds looks at the credentials with which services sign in to the bus.
func (x *examination) seeds() {
	seeds, err := filepath.Glob(filepath.Join(x.config.NATS.Nkeys, "*.seed"))
	if err != nil {
		x.ill("nkeys", err.Error(), "correct nats.nkeys")
		return
	}
	closed := 0
	for _, seed := range seeds {
		if x.kept("nkeys", seed, "whoever has it signs in as that service") {
			closed++
		}
	}
	if closed > 0 && closed == len(seeds) {
		x.well("nkeys", "nobody else reads the seeds in "+x.config.NATS.Nkeys)
	}
}

// authors looks at what authors sign with, where this machine has it.
func (x *examination) authors() {
	dir := x.config.Verify.Keys
	if dir == "" {
		return
	}
	if _, err := verify.OpenKeys(dir, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		x.ill("authors", err.Error(), "correct it: verify does not start with it, and while it runs it goes by the keys of before")
		return
	}
	x.well("authors", "every key in "+dir+" can be read")
}

// decryption looks at the company's private keys, where this machine has them: in a fleet only three services do.
func (x *examination) decryption() {
	dir := x.config.Decryption.Keys
	if dir == "" {
		return
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !x.inside() {
		x.note("decryption", dir+" is not on this machine", "verify, scan and sanitize do not start without it, where they are")
		return
	}
	company, err := reading.OpenKeys(dir, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		x.ill("decryption", err.Error(), "correct it: verify, scan and sanitize do not start with it, and while they run they go by the keys of before")
		return
	}
	pgp, smime := company.Current().Decrypts()
	if pgp+smime == 0 {
		x.note("decryption", "no key is in "+dir, "put the company's private keys into its folders openpgp and smime; until then what is encrypted stays closed")
		return
	}
	x.well("decryption", fmt.Sprintf("%d OpenPGP keys and %d certificates decrypt; nobody else reads them", pgp, smime))
}

func (x *examination) users() {
	path := x.config.Desk.UsersFile
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&secretFrom != 0 {
		x.ill("users", path+" can be read or changed by others: it says who may read mail", "chmod 600 "+path)
		return
	}
	users, err := desk.NewDirectory(path).Users()
	switch {
	case err != nil:
		x.ill("users", err.Error(), "correct the file")
	case len(users) == 0:
		x.note("users", "nobody may sign in", "postern user add NAME --roles agent")
	default:
		x.well("users", fmt.Sprintf("%d may sign in", len(users)))
	}
}
