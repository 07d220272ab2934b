package reading

import (
	"log/slog"
	"time"

	"github.com/postern-mail/postern/pkg/keyfolder"
	"github.com/postern-mail/postern/pkg/signature"
)

// companyKeys is what decryption.keys must be. Passphrases come first: they open what is read after them.
var companyKeys = keyfolder.Form{
	Key: "decryption.keys",
	Kinds: []keyfolder.Kind{
		{Name: "passphrases", Add: (*signature.Keys).AddPassphrase},
		{Name: "openpgp", Add: (*signature.Keys).AddPrivateOpenPGP},
		{Name: "smime", Add: (*signature.Keys).AddPrivateSMIME},
	},
	Secret: true,
	Danger: "put keys there that others know",
	Whole:  (*signature.Keys).Settle,
}

// OpenKeys reads a folder of the company's private keys; "" has none. Its files must be kept from others. It is
// read again when it changes.
func OpenKeys(dir string, now func() time.Time, log *slog.Logger) (*keyfolder.Folder, error) {
	return keyfolder.Open(dir, companyKeys, now, log)
}
