package desk

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/argon2"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/wholefile"
)

// A Role is what a user may do; the contracts page lists them.
type Role string

const (
	Agent   Role = "agent"
	Lead    Role = "lead"
	Privacy Role = "privacy"
	Auditor Role = "auditor"
	Admin   Role = "admin"
)

// Roles are all there are.
var Roles = []Role{Agent, Lead, Privacy, Auditor, Admin}

// A User is one of our own people.
type User struct {
	Name     string `yaml:"name"`
	Password string `yaml:"password,omitempty"` // argon2id, PHC string; empty: no sign-in by password
	Roles    []Role `yaml:"roles"`
	Disabled bool   `yaml:"disabled,omitempty"`
}

// Has says whether a user has one of some roles.
func (u User) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(u.Roles, r) })
}

// Reads says whether a user may read mail.
func (u User) Reads() bool { return u.Has(Agent, Lead) }

var userName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,31}$`)

// A Directory is the users file. It is read at every sign-in and every request, so that a
// user who is disabled is out at once.
type Directory struct{ path string }

// NewDirectory names the file.
func NewDirectory(path string) *Directory { return &Directory{path} }

type usersFile struct {
	Users []User `yaml:"users"`
}

// Users reads the file. One that is absent has no users.
func (d *Directory) Users() ([]User, error) {
	var file usersFile
	if err := config.Load(d.path, &file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, user := range file.Users {
		if !userName.MatchString(user.Name) || seen[user.Name] {
			return nil, fmt.Errorf("users file %s: name %q: use a-z, 0-9, dot, dash and underscore, each name once", d.path, user.Name)
		}
		seen[user.Name] = true
		for _, role := range user.Roles {
			if !slices.Contains(Roles, role) {
				return nil, fmt.Errorf("users file %s: user %s: role %q is not one of %v", d.path, user.Name, role, Roles)
			}
		}
	}
	return file.Users, nil
}

// Find gives a user who may sign in.
func (d *Directory) Find(name string) (User, bool, error) {
	users, err := d.Users()
	if err != nil {
		return User{}, false, err
	}
	for _, user := range users {
		if user.Name == name && !user.Disabled {
			return user, true, nil
		}
	}
	return User{}, false, nil
}

// Save puts a user in the place of one of the same name, or adds one.
func (d *Directory) Save(user User) error {
	users, err := d.Users()
	if err != nil {
		return err
	}
	if !userName.MatchString(user.Name) {
		return fmt.Errorf("user name %q: use a-z, 0-9, dot, dash and underscore, at most 32", user.Name)
	}
	if at := slices.IndexFunc(users, func(u User) bool { return u.Name == user.Name }); at >= 0 {
		users[at] = user
	} else {
		users = append(users, user)
	}
	text, err := yaml.Marshal(usersFile{users})
	if err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	if err := wholefile.Put(d.path, text, 0o600); err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	return nil
}

// argon2id parameters (RFC 9106 §4, second recommended option).
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonKey     = 32
	argonSalt    = 16
)

// hashing bounds the memory that sign-ins can take together.
var hashing = make(chan struct{}, 2)

// HashPassword gives a PHC string.
func HashPassword(password string) (string, error) {
	if len(password) < 10 {
		return "", errors.New("password: use at least 10 characters")
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt) //nolint:errcheck // crypto/rand.Read never fails
	return phc(password, salt, argonTime, argonMemory, argonThreads), nil
}

func phc(password string, salt []byte, time, memory uint32, threads uint8) string {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	key := argon2.IDKey([]byte(password), salt, time, memory, threads, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, time, threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// CheckPassword says whether a password is the one that was hashed. A user who does not
// exist is checked against nobody's hash, so that time tells nothing.
func CheckPassword(hash, password string) bool {
	fields := strings.Split(hash, "$")
	var version int
	var memory, time uint32
	var threads uint8
	ok := len(fields) == 6 && fields[1] == "argon2id"
	if ok {
		_, errVersion := fmt.Sscanf(fields[2], "v=%d", &version)
		_, errParameters := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &memory, &time, &threads)
		ok = errVersion == nil && errParameters == nil && version == argon2.Version &&
			memory <= 1<<20 && time >= 1 && time <= 20 && threads >= 1
	}
	var salt []byte
	if ok {
		var err error
		salt, err = base64.RawStdEncoding.DecodeString(fields[4])
		ok = err == nil && len(salt) > 0
	}
	if !ok {
		phc(password, make([]byte, argonSalt), argonTime, argonMemory, argonThreads)
		return false
	}
	return subtle.ConstantTimeCompare([]byte(phc(password, salt, time, memory, threads)), []byte(hash)) == 1
}
