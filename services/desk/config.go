// Package desk is where support agents work: it turns sanitized mails into
// tickets and shows them, opening only what its reader may see and only through
// the keyring, which records every opening before it hands out a key.
package desk

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/postern-mail/postern/pkg/config"
)

// Config is how the desk is reached and by whom.
type Config struct {
	// Listen is the address that the desk answers on.
	Listen string `yaml:"listen"`
	// BaseURL is how browsers reach the desk, behind whatever stands before it. Cookies are marked secure when it is https.
	BaseURL string `yaml:"base_url"`
	// UsersFile lists the people who may sign in; see "postern user".
	UsersFile string `yaml:"users_file"`
	// SessionIdle ends a session that nobody used for so long.
	SessionIdle config.Duration `yaml:"session_idle"`
	// SessionMax ends every session after so long.
	SessionMax config.Duration `yaml:"session_max"`
	// SignInTries is how many failed sign-ins a name may make from one address in a quarter of an hour; a name alone and an address alone may make ten times as many.
	SignInTries int `yaml:"sign_in_tries"`
	// Proxies are networks whose X-Forwarded-For is believed, such as 127.0.0.1/32: what stands before the desk and speaks TLS for it.
	Proxies []string `yaml:"proxies"`
	// Demo shows the clock to administrators and lets them move it on.
	Demo bool `yaml:"demo"`
}

// DefaultConfig listens on loopback.
func DefaultConfig() Config {
	return Config{
		Listen:      "127.0.0.1:8080",
		BaseURL:     "http://127.0.0.1:8080",
		UsersFile:   "users.yaml",
		SessionIdle: config.Duration(30 * time.Minute),
		SessionMax:  config.Duration(12 * time.Hour),
		SignInTries: 10,
	}
}

// Check says what is wrong and what to do.
func (c Config) Check() error {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return fmt.Errorf("desk.base_url %q: write it as https://desk.example.com", c.BaseURL)
	}
	if c.SignInTries < 1 || c.SessionIdle <= 0 || c.SessionMax <= 0 {
		return fmt.Errorf("desk: session_idle, session_max and sign_in_tries must be more than nothing")
	}
	_, err = c.proxies()
	return err
}

func (c Config) proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.Proxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("desk.proxies: %q: write it as 192.0.2.0/24", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
