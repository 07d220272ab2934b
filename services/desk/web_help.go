package desk

// A meaning is what a standing of a sender means to whoever answers.
type meaning struct {
	standing
	Means string
}

var meanings = []meaning{
	{senderText["verified"], "The mail carries the customer’s own signature, made with a key that we know."},
	{senderText["authenticated"], "The sender’s domain confirms that the mail comes from there. It does not say which person at that domain wrote it."},
	{senderText["unverified"], "The mail may be genuine, and it may be from anybody: the domain that it names does not protect its name, or could not be asked. Give nothing away on its word alone."},
	{standingOf("authenticated", poses), "The name or the domain is made to be taken for another, whoever confirms it. Read the address letter by letter."},
	{senderText["forged"], "The domain that it names says that such mail is not from there. Believe nothing in it."},
	{senderText["ambiguous"], "Mail programs disagree on who wrote it, which honest mail does not do. Believe nothing in it."},
}

// help tells newcomers how the desk works: those pages and words that are for their roles.
func (web *Web) help(v *visit) error {
	var mine []string
	for _, role := range v.user.Roles {
		mine = append(mine, string(role))
	}
	if len(mine) == 0 {
		mine = []string{"no role yet; an administrator gives you one"}
	}
	return web.render(v, "help.html", map[string]any{"Title": "Help", "Standings": meanings, "Mine": mine})
}
