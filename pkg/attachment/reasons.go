package attachment

// A Reason is a code that names a property of an attachment. Codes that pkg/mail
// gives to ambiguous parts stand among the reasons as they are.
type Reason string

// Infected, and Error.
const (
	EICARTestFile      Reason = "eicar_test_file"
	ScannerSignature   Reason = "scanner_signature"
	DecoderFailed      Reason = "decoder_failed"
	MalformedArchive   Reason = "malformed_archive"
	MalformedDocument  Reason = "malformed_document"
	MalformedPicture   Reason = "malformed_picture"
	DecoderDied        Reason = "decoder_died"
	NotExamined        Reason = "not_examined"
	Interrupted        Reason = "interrupted"
	ScannerUnavailable Reason = "second_opinion_unavailable"
	UnexaminedPart     Reason = "unexamined_part"
)

// Ambiguous.
const (
	ConflictingZipHeaders Reason = "conflicting_zip_headers"
	HiddenMember          Reason = "hidden_member"
	DuplicateMember       Reason = "duplicate_member"
	SeveralZipDirectories Reason = "several_zip_directories"
	WrongZipDirectory     Reason = "wrong_zip_directory"
	UnaccountedBytes      Reason = "unaccounted_bytes"
)

// Limit.
const (
	DepthLimit         Reason = "depth_limit"
	MembersLimit       Reason = "members_limit"
	SizeLimit          Reason = "size_limit"
	TotalLimit         Reason = "total_size_limit"
	RatioLimit         Reason = "compression_ratio_limit"
	TimeLimit          Reason = "time_limit"
	DictionaryLimit    Reason = "dictionary_limit"
	OverlappingMembers Reason = "overlapping_members"
	PictureLimit       Reason = "picture_limit"
	ScannerLimit       Reason = "second_opinion_limit"
)

// Encrypted.
const (
	EncryptedArchive  Reason = "encrypted_archive"
	EncryptedDocument Reason = "encrypted_document"
	EncryptedMessage  Reason = "encrypted_message"
	DamagedMessage    Reason = "encrypted_message_damaged"
	UnprovenMessage   Reason = "encrypted_message_unprotected"
	UnknownEncryption Reason = "encrypted_message_unknown"
	PasswordInMail    Reason = "password_in_mail"
)

// Suspicious.
const (
	DoubleExtension      Reason = "double_extension"
	PaddedName           Reason = "padded_name"
	RightToLeftOverride  Reason = "right_to_left_override"
	MixedScriptName      Reason = "mixed_script_name"
	ControlCharacterName Reason = "control_character_in_name"
	PathTraversal        Reason = "path_traversal"
	TypeMismatch         Reason = "type_mismatch"
	Executable           Reason = "executable"
	Script               Reason = "script"
	Shortcut             Reason = "shortcut"
	HTMLApplication      Reason = "html_application"
	CompiledHelp         Reason = "compiled_help"
	OneNote              Reason = "onenote_document"
	DiskImage            Reason = "disk_image"
	VBAMacro             Reason = "vba_macro"
	XLMMacro             Reason = "xlm_macro"
	DocumentMacro        Reason = "document_macro"
	DDE                  Reason = "dde_link"
	DefaultPassword      Reason = "default_password"
	ExternalTemplate     Reason = "external_template"
	ExternalObject       Reason = "external_object"
	OLEObject            Reason = "ole_object"
	ActiveX              Reason = "activex_control"
	PDFJavaScript        Reason = "pdf_javascript"
	PDFLaunch            Reason = "pdf_launch"
	PDFEmbeddedFile      Reason = "pdf_embedded_file"
	PDFRemoteAction      Reason = "pdf_remote_action"
	Polyglot             Reason = "polyglot"
	DataBeforeArchive    Reason = "data_before_archive"
	DataAfterArchive     Reason = "data_after_archive"
	DataBetweenMembers   Reason = "data_between_members"
	HTMLSmuggling        Reason = "html_smuggling"
	HTMLScript           Reason = "html_script"
	HTMLCredentialForm   Reason = "html_credential_form"
	HTMLRedirect         Reason = "html_redirect"
	SVGScript            Reason = "svg_script"
	LinkMember           Reason = "link_member"
	QRLink               Reason = "qr_link"
	ScannerSuspicion     Reason = "scanner_suspicion"
)

// Unsupported.
const (
	UnsupportedContainer Reason = "unsupported_container"
	UnsupportedMethod    Reason = "unsupported_method"
	MissingVolume        Reason = "missing_volume"
	ArchiveInVolumes     Reason = "archive_in_volumes"
	ExternalBody         Reason = "external_body"
	PartialMessage       Reason = "partial_message"
)

// Clean, and worth knowing.
const (
	NoSecondOpinion    Reason = "no_second_opinion"
	RestrictedDocument Reason = "restricted_document"
	PictureUnread      Reason = "picture_not_searched"
	VeryHiddenSheet    Reason = "very_hidden_sheet"
)

// An Explanation says what a reason amounts to and what to tell an agent.
type Explanation struct {
	Verdict  Verdict
	Sentence string
}

// Reasons explains every code of this package.
var Reasons = map[Reason]Explanation{
	EICARTestFile:      {Infected, "This is the EICAR test file, which every virus scanner reports on purpose."},
	ScannerSignature:   {Infected, "The virus scanner knows this file as malicious."},
	DecoderFailed:      {Error, "Looking into this file failed, so nothing is known about it."},
	MalformedArchive:   {Error, "This archive is damaged, so its content could not be examined completely."},
	MalformedDocument:  {Error, "This document is damaged, so its content could not be examined completely."},
	DecoderDied:        {Error, "Looking into this mail ended the program that does so, as files do that are made to, so nothing is known about what it carries."},
	NotExamined:        {Error, "This file was not examined, so it is withheld."},
	MalformedPicture:   {Error, "This picture is damaged, so it could not be examined."},
	Interrupted:        {Error, "The examination was interrupted before it was finished."},
	ScannerUnavailable: {Error, "The virus scanner could not be asked about this file."},
	UnexaminedPart:     {Error, "A part of this mail was not examined, so nothing is known about it."},

	ConflictingZipHeaders: {Ambiguous, "This archive describes its content twice and the descriptions differ, so different programs unpack different files."},
	HiddenMember:          {Ambiguous, "This archive holds a file that its table of contents does not list."},
	DuplicateMember:       {Ambiguous, "This archive holds two files of the same name, so different programs unpack different files."},
	SeveralZipDirectories: {Ambiguous, "This archive has more than one table of contents, so different programs unpack different files."},
	WrongZipDirectory:     {Ambiguous, "The table of contents of this archive is not where the archive says, so different programs unpack different files."},
	UnaccountedBytes:      {Ambiguous, "This holds bytes that belong to none of its parts, so another program might find something else in them."},

	DepthLimit:         {Limit, "Archives are packed inside one another more deeply than is examined."},
	MembersLimit:       {Limit, "More files are packed in this mail than are examined."},
	SizeLimit:          {Limit, "A packed file is larger than is examined."},
	TotalLimit:         {Limit, "All packed files of this mail together are larger than is examined."},
	RatioLimit:         {Limit, "This archive unfolds to many times its own size, as archives made to exhaust a computer do."},
	TimeLimit:          {Limit, "Examining this mail took longer than is allowed."},
	DictionaryLimit:    {Limit, "Unpacking this archive would need more memory than is allowed."},
	OverlappingMembers: {Limit, "Files in this archive share the same bytes, as in archives made to exhaust a computer."},
	PictureLimit:       {Limit, "This picture unfolds to more pixels than are examined, as pictures made to exhaust a computer do."},
	ScannerLimit:       {Limit, "This file is larger or more deeply packed than the virus scanner examines."},

	EncryptedArchive:  {Encrypted, "This archive is protected with a password, so its content could not be examined."},
	EncryptedDocument: {Encrypted, "This document is protected with a password, so its content could not be examined."},
	EncryptedMessage:  {Encrypted, "This is an encrypted message, so its content could not be examined."},

	DamagedMessage:    {Encrypted, "This encrypted message was changed or damaged on its way, so nothing of it was opened."},
	UnprovenMessage:   {Encrypted, "This message is encrypted in an old way that anybody could have changed unseen, so it was not opened."},
	UnknownEncryption: {Encrypted, "This message is encrypted to us in a way that is not known here, so it was not opened."},

	PasswordInMail: {Encrypted, "This file is protected with a password that stands in the mail itself, as is done to keep scanners out; it was opened with it."},

	DoubleExtension:      {Suspicious, "The name ends in two extensions, so that a program looks like a document."},
	PaddedName:           {Suspicious, "The name hides its true ending behind a run of spaces."},
	RightToLeftOverride:  {Suspicious, "The name contains characters that turn its direction around and so hide its true ending."},
	MixedScriptName:      {Suspicious, "The name mixes letters of different alphabets that look alike."},
	ControlCharacterName: {Suspicious, "The name contains invisible control characters."},
	PathTraversal:        {Suspicious, "The name of a packed file points outside of the folder it would be unpacked to."},
	TypeMismatch:         {Suspicious, "The file is something other than its name or description says."},
	Executable:           {Suspicious, "This is a program."},
	Script:               {Suspicious, "This is a script, which runs when it is opened."},
	Shortcut:             {Suspicious, "This is a shortcut, which can start any program."},
	HTMLApplication:      {Suspicious, "This is an HTML application, which runs as a program when it is opened."},
	CompiledHelp:         {Suspicious, "This is a compiled help file, which can run programs."},
	OneNote:              {Suspicious, "This is a OneNote document, which can carry programs."},
	DiskImage:            {Suspicious, "This is a disk image, which hides its files from the usual warnings."},
	VBAMacro:             {Suspicious, "This document contains macros (VBA)."},
	XLMMacro:             {Suspicious, "This workbook contains macros of the old kind (Excel 4.0)."},
	DocumentMacro:        {Suspicious, "This document contains macros (OpenDocument)."},
	DDE:                  {Suspicious, "This document asks another program for data (DDE), which can start programs."},
	DefaultPassword:      {Suspicious, "This document is encrypted with a password that Excel knows by itself, which hides it from scanners and from nobody else; it was opened with it."},
	ExternalTemplate:     {Suspicious, "This document loads a template from elsewhere when it is opened."},
	ExternalObject:       {Suspicious, "This document loads an object from elsewhere when it is opened."},
	OLEObject:            {Suspicious, "This document contains an embedded object."},
	ActiveX:              {Suspicious, "This document contains an ActiveX control."},
	PDFJavaScript:        {Suspicious, "This PDF contains JavaScript."},
	PDFLaunch:            {Suspicious, "This PDF can start a program."},
	PDFEmbeddedFile:      {Suspicious, "This PDF carries another file inside it."},
	PDFRemoteAction:      {Suspicious, "This PDF can send what is typed into it elsewhere, or open other files or addresses."},
	Polyglot:             {Suspicious, "This file is of two kinds at once, so different programs see different content."},
	DataBeforeArchive:    {Suspicious, "Other data stands in front of this archive."},
	DataAfterArchive:     {Suspicious, "Other data stands behind this archive."},
	DataBetweenMembers:   {Suspicious, "This archive holds data that belongs to none of its files."},
	HTMLSmuggling:        {Suspicious, "This web page puts together a file in the reader's browser."},
	HTMLScript:           {Suspicious, "This web page contains a script."},
	HTMLCredentialForm:   {Suspicious, "This web page asks for a password."},
	HTMLRedirect:         {Suspicious, "This web page sends whoever opens it on to another place."},
	SVGScript:            {Suspicious, "This drawing contains a script."},
	LinkMember:           {Suspicious, "This archive contains a link that points outside of it."},
	QRLink:               {Suspicious, "This picture holds a QR code that leads to a web site, whose name stands here. Whoever scans it leaves the protection of this desk."},
	ScannerSuspicion:     {Suspicious, "The virus scanner finds this file unusual."},

	UnsupportedContainer: {Unsupported, "This is a container of a kind that cannot be opened completely here, so not all of its content was examined."},
	UnsupportedMethod:    {Unsupported, "This file is packed with a method that cannot be opened here, so it was not examined."},
	MissingVolume:        {Unsupported, "This is one volume of an archive whose other volumes are needed to open it."},
	ArchiveInVolumes:     {Unsupported, "This is one of several volumes of an archive that came with this mail under one name. What they make together stands with the first, where it could be opened."},
	ExternalBody:         {Unsupported, "This part holds no file but says where one lies, which some mail programs would fetch from there. It was not examined."},
	PartialMessage:       {Unsupported, "This is a piece of a message that comes in several mails. What they make together was not examined."},

	RestrictedDocument: {Clean, "This document is encrypted without a password, so that it is read and not changed; it was examined as everybody reads it."},

	PictureUnread:   {Clean, "This picture is of a kind or size that is not searched for QR codes, or came with more pictures than are searched."},
	VeryHiddenSheet: {Clean, "This workbook has a sheet that its own menus do not show."},

	NoSecondOpinion: {Clean, "No virus scanner is set up; the examination is by structure alone."},
}

// Verdict is what the reason alone amounts to. A code that is not of this
// package comes from an ambiguous part.
func (r Reason) Verdict() Verdict {
	if e, ok := Reasons[r]; ok {
		return e.Verdict
	}
	return Ambiguous
}

// Sentence tells an agent in one sentence what the reason means.
func (r Reason) Sentence() string {
	if e, ok := Reasons[r]; ok {
		return e.Sentence
	}
	return "This part is written in a way that different mail programs read differently."
}
