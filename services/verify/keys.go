package verify

import (
	"log/slog"
	"time"

	"github.com/postern-mail/postern/pkg/keyfolder"
	"github.com/postern-mail/postern/pkg/signature"
)

// authorsKeys is what verify.keys must be. Whoever can write there can be anybody.
var authorsKeys = keyfolder.Form{
	Key: "verify.keys",
	Kinds: []keyfolder.Kind{
		{Name: "openpgp", Add: (*signature.Keys).AddOpenPGP},
		{Name: "certificates", Add: (*signature.Keys).AddCertificates},
		{Name: "roots", Add: (*signature.Keys).AddRoots},
		{Name: "revocations", Add: (*signature.Keys).AddRevocations},
	},
	Danger: "sign for anybody",
}

// Keys are what authors sign with, read from a folder and again when it changes.
type Keys = keyfolder.Folder

// OpenKeys reads a folder; "" knows no key. A file that cannot be read as what it should be is an error.
func OpenKeys(dir string, now func() time.Time, log *slog.Logger) (*Keys, error) {
	return keyfolder.Open(dir, authorsKeys, now, log)
}
