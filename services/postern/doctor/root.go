package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/postern-mail/postern/services/keyring"
)

// root looks at the root cell where no keyring can be asked.
func (x *examination) root() {
	path := filepath.Join(x.config.Keyring.Dir, "root.cell")
	generation, begun, err := keyring.LookAtRoot(x.config.Keyring.Dir)
	info, missing := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && !begun:
		x.note("key root", "there is none yet", "it is made at the first start; put keyring.dir on an encrypted local disk before that")
	case errors.Is(err, os.ErrNotExist):
		x.ill("key root", path+" is missing, and the state that it opens is there", "put the root cell back where it was, or copy root.copy of keyring.copy there, or correct keyring.dir: without it no mail opens")
	case errors.Is(err, keyring.ErrNoRoot):
		x.ill("key root", path+" holds no root", "put the present one back, or copy root.copy of keyring.copy there: without it no mail opens")
	case err != nil || missing != nil:
		x.ill("key root", errors.Join(err, missing).Error(), "let the user that runs Postern read keyring.dir")
	case info.Mode().Perm()&0o077 != 0:
		x.ill("key root", path+" can be read by others", "chmod 600 "+path)
	default:
		x.well("key root", fmt.Sprintf("%s is there, for its owner alone: generation %d", path, generation))
	}
}

const (
	noCopy       = "the root cell has no live copy: who loses its disk loses every mail"
	adviceOnCopy = "set keyring.copy, where the keyring runs, to a folder on another disk"
)

// rootCopy looks at the live copy of the root cell.
func (x *examination) rootCopy() {
	folder := x.config.Keyring.Copy
	if folder == "" {
		x.note("key root", noCopy, adviceOnCopy)
		return
	}
	path := filepath.Join(folder, "root.copy")
	place, err := os.Stat(folder)
	if err != nil {
		x.ill("key root", "keyring.copy: "+err.Error(), "mount its disk, or make the folder: until then the keyring does not start")
		return
	}
	generation, err := keyring.LookAtCopy(folder)
	first, _, errFirst := keyring.LookAtRoot(x.config.Keyring.Dir)
	info, _ := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		x.note("key root", path+" is not there yet", "it is made at the next start")
	case err != nil:
		x.ill("key root", path+": "+err.Error(), "where the root cell itself is well, start the keyring: it writes its copy anew")
	case info.Mode().Perm()&0o077 != 0:
		x.ill("key root", path+" can be read by others", "chmod 600 "+path)
	case errFirst == nil && generation > first:
		x.ill("key root", fmt.Sprintf("%s is of generation %d, the root cell of %d", path, generation, first), "an old root cell was put back: put the copy in its place; or the copy is another keyring's: name another folder")
	case sameDisk(place, x.config.Keyring.Dir):
		x.note("key root", folder+" lies on the same disk as the root cell", "name a folder on another disk in keyring.copy")
	default:
		x.well("key root", fmt.Sprintf("its live copy is there, for its owner alone: generation %d", generation))
	}
}

func sameDisk(place os.FileInfo, dir string) bool {
	other, err := os.Stat(dir)
	if err != nil {
		return false
	}
	here, ok := place.Sys().(*syscall.Stat_t)
	there, also := other.Sys().(*syscall.Stat_t)
	return ok && also && here.Dev == there.Dev
}
