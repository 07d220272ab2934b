package dir

import (
	"errors"
	"io/fs"
	"os"

	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
)

// Begun says whether a folder holds a vault, and changes nothing: Open would begin one.
func Begun(root string) bool {
	_, err := os.Stat(dirlayout.Objects(root))
	return !errors.Is(err, fs.ErrNotExist)
}
