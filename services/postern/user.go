package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// userCommand keeps the users file. Passwords are read from standard input, never from
// an argument, which other users of the machine could see.
func userCommand(ctx context.Context, args []string, io stdio) int {
	const usage = "add NAME --roles agent,lead | passwd NAME | disable NAME | enable NAME | list | link NAME   [--config FILE] [--file FILE]"
	flags := newFlags("user", usage, io.err)
	path := configFlag(flags)
	file := flags.String("file", "", "the users `file`, in place of the configuration's")
	roles := flags.String("roles", "agent", "what the user may do: agent, lead, privacy, auditor, admin")
	words, code, ok := parseWords(flags, args, 2)
	if !ok {
		return code
	}
	verbs := map[string]int{"add": 2, "passwd": 2, "disable": 2, "enable": 2, "list": 1, "link": 2} // with their words
	if len(words) == 0 || verbs[words[0]] != len(words) {
		flags.Usage()
		return misuse
	}
	if words[0] == "link" {
		return linkUser(ctx, *path, words[1], io)
	}
	if *file == "" {
		config, ok := load(*path, io.err)
		if !ok {
			return failed
		}
		*file = config.Desk.UsersFile
	}
	users := desk.NewDirectory(*file)
	if words[0] == "list" {
		return listUsers(users, io)
	}
	if words[0] == "add" { // perhaps the first thing that is done on this machine
		if err := os.MkdirAll(filepath.Dir(*file), 0o700); err != nil {
			return fail(io, fmt.Errorf("folder of the users file: %w", err))
		}
	}
	return changeUser(users, words[0], words[1], *roles, io)
}

// linkUser prints a link that signs a user in once, within a quarter of an hour.
func linkUser(ctx context.Context, path, name string, io stdio) int {
	c, ok := load(path, io.err)
	if !ok {
		return failed
	}
	if c.Redis.Address == "" {
		return fail(io, errors.New("links are kept inside the running process, where no command comes: sign in with a password (postern user passwd NAME sets one), or name redis.address, which shares them"))
	}
	process, err := wiring.New(ctx, c, wiring.Options{For: []string{"desk"}})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	link, err := desk.NewLink(ctx, c.Desk, process.Model.Short(), name)
	if err != nil {
		return fail(io, err)
	}
	fmt.Fprintln(io.out, link)
	return done
}

func listUsers(users *desk.Directory, io stdio) int {
	all, err := users.Users()
	if err != nil {
		return fail(io, err)
	}
	for _, user := range all {
		state := ""
		if user.Disabled {
			state = "  disabled"
		}
		fmt.Fprintf(io.out, "%-20s %v%s\n", user.Name, user.Roles, state)
	}
	return done
}

func changeUser(users *desk.Directory, verb, name, roles string, io stdio) int {
	all, err := users.Users()
	if err != nil {
		return fail(io, err)
	}
	var user desk.User
	at := slices.IndexFunc(all, func(u desk.User) bool { return u.Name == name })
	if at >= 0 {
		user = all[at]
	}
	switch {
	case verb == "add" && user.Disabled:
		return fail(io, fmt.Errorf("user %s is there already, and disabled: postern user enable %s lets the user sign in again, with the password and roles of before", name, name))
	case verb == "add" && at >= 0:
		return fail(io, fmt.Errorf("user %s is there already: use passwd to change the password", name))
	case verb != "add" && at < 0:
		return fail(io, fmt.Errorf("there is no user %s", name))
	case verb == "passwd" && user.Disabled:
		return fail(io, fmt.Errorf("user %s is disabled: postern user enable %s comes first", name, name))
	}
	if verb == "add" {
		user = desk.User{Name: name}
		for role := range strings.SplitSeq(roles, ",") {
			user.Roles = append(user.Roles, desk.Role(role))
			if !slices.Contains(desk.Roles, desk.Role(role)) {
				return fail(io, fmt.Errorf("role %q: use some of %v", role, desk.Roles))
			}
		}
	}
	switch verb {
	case "disable", "enable":
		user.Disabled = verb == "disable"
	default:
		fmt.Fprintf(io.err, "Password for %s, on one line: ", name)
		line, err := bufio.NewReader(io.in).ReadString('\n')
		if err != nil && line == "" {
			return fail(io, fmt.Errorf("no password was given: %w", err))
		}
		if user.Password, err = desk.HashPassword(strings.TrimRight(line, "\r\n")); err != nil {
			return fail(io, err)
		}
	}
	if err := users.Save(user); err != nil {
		return fail(io, err)
	}
	fmt.Fprintf(io.out, "%s: done\n", name)
	return done
}
