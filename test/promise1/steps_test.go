package promise1

import "github.com/postern-mail/postern/services/ingest"

// A step is one numbered step of docs/crashes.md: the last moment before it is taken,
// and the first at which it is. What comes between is one call.
type step struct {
	number int
	what   string
	before kill
	after  kill
	mails  [][]byte      // nil: the mixed set
	first  []kill        // deaths that come before
	aside  int           // mails that are set aside for their workers' deaths
	sweep  bool          // the step belongs to retention
	action ingest.Action // what is done to archived mails on the server; "": they are marked
}

// at is a step that is one call.
func at(number int, what string, c pattern) step {
	return step{number: number, what: what, before: kill{Call: c}, after: kill{Call: c, After: true}}
}

// said is the step of a stage's event: sent, then acknowledged by the bus.
func said(number int, stage, subject string) step {
	return step{
		number: number, what: subject + " is said",
		before: kill{Call: pattern{Where: onBus, Who: stage, Kind: "publish", What: subject}},
		after:  kill{Call: pattern{Where: onBus, Who: stage, Kind: "wait", What: subject}, After: true},
	}
}

func of(service, kind, what string) pattern {
	return pattern{Where: onBus, Who: service, Kind: kind, What: what}
}

// change is the nth change of a record.
func change(nth int) pattern {
	return pattern{Where: onBus, Who: "keyring", Kind: "publish", What: "items.", Nth: nth, OfEach: true}
}

func vaultCall(kind, prefix string) pattern {
	return pattern{Where: inVault, Kind: kind, What: prefix}
}

func diskCall(kind, name string) pattern {
	return pattern{Where: onDisk, Kind: kind, What: name}
}

func (s step) with(mails ...[]byte) step { s.mails = mails; return s }

func (s step) following(deaths ...kill) step { s.first = deaths; return s }

// afterThreeDeaths has the step belong to a mail that killed its worker three times.
func (s step) afterThreeDeaths() step {
	s.aside = 1
	return s.with(plain).following(inVerify, inVerify, inVerify)
}

// inSweep has the step counted only while retention is at work, after calls of patterns.
func (s step) inSweep(since ...pattern) step {
	s.sweep = true
	s.before.Sweep, s.after.Sweep = true, true
	s.before.Since, s.after.Since = since, since
	return s
}

// acting has the step be the one of another mailbox action.
func (s step) acting(action ingest.Action) step { s.action = action; return s }

// onServer is the nth change of a kind that a mailbox action makes.
func onServer(command string, nth int) pattern {
	return pattern{Where: onIMAP, Who: "ingest", Kind: "command", What: command, Nth: nth}
}

// inVerify is the death of a worker with the mail in its hand.
var inVerify = kill{Call: of("verify", "publish", "mail.v1.Verified")}

var planned = of("retain", "publish", "retention.v1.Planned")

var steps = []step{
	at(1, "the sealed original is in the vault", vaultCall("put", "raw/")),
	at(2, "the registration is in the audit log", of("keyring", "publish", "audit.v1.Entry.keyring")),
	at(3, "the record is made", change(1)),
	at(4, "Received is said", of("ingest", "publish", "mail.v1.Received")),
	at(5, "the cursor moves on", of("ingest", "publish", "cursors.support")),

	at(6, "verify has the key", of("keyring", "answer", "keyring.v1.open.verify")),
	said(7, "verify", "mail.v1.Verified"),
	at(8, "Received is acknowledged", of("verify", "ack", "mail.v1.Received")),
	said(9, "scan", "mail.v1.Scanned"),
	at(10, "Verified is acknowledged", of("scan", "ack", "mail.v1.Verified")),

	at(11, "the record is filed", change(2)).with(plain, withFile, personal),
	at(12, "the original is tagged", vaultCall("tag", "raw/")),
	said(13, "archive", "mail.v1.Archived"),
	at(14, "Scanned is acknowledged", of("archive", "ack", "mail.v1.Scanned")),
	at(15, "the mail is marked", onServer("store", 1)),
	at(15, "the folder to move to is made", onServer("create", 1)).acting(ingest.Move),
	at(15, "the mail is moved", onServer("move", 2)).acting(ingest.Move), // the first finds no folder
	at(15, "the mail is flagged as deleted", onServer("store", 1)).acting(ingest.Delete),
	at(15, "the mail is deleted", onServer("expunge", 1)).acting(ingest.Delete),
	at(16, "the mailbox action is acknowledged", of("ingest", "ack", "mail.v1.Archived")),

	at(17, "a large view is in the vault", vaultCall("put", "view/")),
	at(18, "the record has its layers", change(3)),
	said(19, "sanitize", "mail.v1.Sanitized"),
	at(20, "Archived is acknowledged", of("sanitize", "ack", "mail.v1.Archived")),
	at(21, "the ticket is opened", of("desk", "publish", "tickets.")),
	at(22, "the record names its ticket", change(4)),
	at(23, "Sanitized is acknowledged", of("desk", "ack", "mail.v1.Sanitized")),

	at(24, "the door sets a mail aside", change(2)).with(oversize),
	at(25, "the door says so", of("ingest", "publish", "mail.v1.SetAside")),
	at(26, "a stage sets a mail aside", change(1)).afterThreeDeaths(),
	said(27, "verify", "mail.v1.SetAside").afterThreeDeaths(),
	at(28, "its delivery ends", of("verify", "term", "mail.v1.Received")).afterThreeDeaths(),

	at(29, "a batch of the journal is in the vault", vaultCall("put", "journal/")),
	at(30, "it is read back", vaultCall("get", "journal/")),
	at(31, "the keyring hears of it", of("archive", "request", "keyring.v1.journalled")),
	at(32, "the audit log is signed", of("audit", "publish", "audit.v1.Checkpoint")),

	{
		number: 33, what: "the first copy of the keyring's state",
		before: kill{Call: diskCall("write", "state/")}, after: kill{Call: diskCall("sync folder", "state"), After: true},
	},
	at(34, "the second copy of the state", vaultCall("put", "keyring/state/")),
	at(35, "the new root is in the spare slot", diskCall("write", "root.cell")),
	at(36, "the new root is on the medium", pattern{Where: onDisk, Kind: "sync", What: "root.cell", Nth: 2}),
	at(37, "the old slot is overwritten", pattern{Where: onDisk, Kind: "blank", What: "root.cell", Nth: 2}),
	at(38, "the old root is off the medium", pattern{Where: onDisk, Kind: "sync", What: "root.cell", Nth: 3}),
	at(39, "the old state is removed", diskCall("remove", "state/")),

	at(40, "buckets are marked to go", diskCall("blank", "root.cell")).inSweep(of("retain", "request", "keyring.v1.forget")),
	at(41, "intake keys are forgotten", diskCall("blank", "root.cell")).inSweep(of("retain", "request", "keyring.v1.forget"), of("keyring", "publish", "audit.v1.Entry.keyring")),
	at(42, "what is due is closed", of("keyring", "answer", "keyring.v1.close")).inSweep(),
	at(43, "the plan is said", planned).inSweep(),
	at(44, "records lose their key packets", pattern{Where: onBus, Who: "keyring", Kind: "publish", What: "items."}).inSweep(planned),
	at(45, "the keys are forgotten", diskCall("blank", "root.cell")).inSweep(planned),
	at(46, "records say what is destroyed", pattern{Where: onBus, Who: "keyring", Kind: "publish", What: "items."}).inSweep(planned, diskCall("blank", "root.cell")),
	at(47, "Destroyed is said", of("retain", "publish", "retention.v1.Destroyed")).inSweep(planned),
	at(48, "objects are erased", pattern{Where: eraser, Kind: "erase", What: "raw/"}).inSweep(),
	at(49, "the keyring attests", of("keyring", "answer", "keyring.v1.attest")).inSweep(),
	at(50, "the ticket hears of it", of("retain", "publish", "tickets.")).inSweep(),
	at(51, "the certificate is in the vault", vaultCall("put", "certificates/")).inSweep(),
	at(52, "Certified is said", of("retain", "publish", "retention.v1.Certified")).inSweep(),
	at(53, "the certificate is in the audit log", of("retain", "publish", "audit.v1.Entry.retain")).inSweep(),
	at(54, "the sweep of orphans is said", of("retain", "publish", "retention.v1.Swept")).inSweep().following(kill{Call: vaultCall("put", "raw/"), After: true}),
}
