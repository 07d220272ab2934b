package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// userCommand keeps the users file. Passwords are read from standard input, never from
// an argument, which other users of the machine could see.
func userCommand(ctx context.Context, args []string, io stdio) int {
	const usage = "add NAME --roles agent,lead | passwd NAME | disable NAME | list | link NAME   [--config FILE] [--file FILE]"
	flags := newFlags("user", usage, io.err)
	path := configFlag(flags)
	file := flags.String("file", "", "the users `file`, in place of the configuration's")
	roles := flags.String("roles", "agent", "what the user may do: agent, lead, privacy, auditor, admin")
	// The verb and the name stand before the flags.
	var words []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		words, args = append(words, args[0]), args[1:]
	}
	if code, ok := parse(flags, args); !ok {
		return code
	}
	if len(words) == 0 {
		flags.Usage()
		return misuse
	}
	if words[0] == "link" && len(words) == 2 {
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
	switch {
	case words[0] == "list" && len(words) == 1:
		return listUsers(users, io)
	case slices.Contains([]string{"add", "passwd", "disable"}, words[0]) && len(words) == 2:
		return changeUser(users, words[0], words[1], *roles, io)
	}
	flags.Usage()
	return misuse
}

// linkUser prints a link that signs a user in once, within a quarter of an hour.
func linkUser(ctx context.Context, path, name string, io stdio) int {
	c, ok := load(path, io.err)
	if !ok {
		return failed
	}
	if c.Redis.Address == "" {
		return fail(io, errors.New("links are kept inside the running process, which prints one itself: name redis.address to share them"))
	}
	process, err := wiring.New(ctx, c, wiring.Options{})
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
	user, known, err := users.Find(name)
	if err != nil {
		return fail(io, err)
	}
	switch {
	case verb == "add" && known:
		return fail(io, fmt.Errorf("user %s is there already: use passwd to change the password", name))
	case verb != "add" && !known:
		return fail(io, fmt.Errorf("there is no user %s who may sign in", name))
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
	if verb == "disable" {
		user.Disabled = true
	} else {
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
