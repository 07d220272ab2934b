package attachment

import "strings"

// A family groups types that a person would call the same kind of thing.
type family uint8

const (
	unknown family = iota
	text
	picture
	media // sound and moving pictures
	font
	pdf
	office
	archive
	message
	webpage
	program
	script
	shortcut
	diskImage
)

// harmless families are those whose files people open without a thought.
func (f family) harmless() bool {
	switch f {
	case text, picture, media, font, pdf, office, message:
		return true
	}
	return false
}

// An extension is what the end of a file name claims.
type extension struct {
	family family
	reason Reason // why a file of this name is suspicious by itself
}

var extensions = listExtensions()

func listExtensions() map[string]extension {
	all := map[string]extension{}
	claim := func(f family, r Reason, list string) {
		for _, e := range strings.Fields(list) {
			all[e] = extension{f, r}
		}
	}
	claim(text, "", "txt text log csv tsv md ini json xml xsl xslt yaml yml vcf ics tex srt diff patch asc")
	claim(picture, "", "jpg jpeg jpe png apng gif bmp tif tiff webp heic heif avif ico svg psd jp2 jxl emf wmf")
	claim(media, "", "mp3 mp4 m4a m4v mov avi mkv webm wav flac ogg oga ogv wmv wma mpg mpeg aac amr 3gp mid midi opus")
	claim(font, "", "ttf otf woff woff2 eot")
	claim(pdf, "", "pdf")
	claim(office, "", "doc docx docm dot dotx dotm xls xlsx xlsm xlsb xlt xltx xltm xlam xla ppt pptx pptm pot potx potm pps ppsx ppsm ppam "+
		"odt ods odp odg odf ott ots otp rtf pub vsd vsdx mpp pages numbers key epub wps wpd")
	claim(archive, "", "zip zipx rar 7z tar gz tgz bz2 tbz tbz2 xz txz zst tzst lz lzma tlz z cab arj lzh lha ace cpio ar iso9660 lz4 alz egg zoo sit sitx wim xar uu uue xxe hqx ntx")
	claim(message, "", "eml msg mht mhtml mbox tnef")
	claim(webpage, "", "html htm xhtml xht shtml shtm webarchive")
	claim(program, Executable, "exe scr com pif cpl dll sys drv ocx msi msp mst msix msixbundle appx appxbundle application appref-ms xll "+
		"jar class apk xapk aab ipa app deb rpm pkg mpkg snap flatpak appimage run gadget elf so dylib efi wll air xpi crx "+
		"xbap msu ppkg appinstaller vsto osd shs fxp pyc pyo ade mde accde")
	claim(script, Script, "bat cmd btm ps1 ps1xml ps2 psc1 psd1 psm1 vb vbs vbe js jse mjs ws wsf wsc wsh sct reg inf ins isp msc jnlp sh bash zsh csh ksh "+
		"py pyw pyz pl rb lua php phar applescript scpt command workflow action osx terminal mof settingcontent-ms diagcab theme themepack desktopthemepackfile "+
		"deskthemepack diagpkg printerexport webpnp prf ops prg htc xsn ahk au3 vbscript jsp")
	claim(script, HTMLApplication, "hta")
	claim(script, CompiledHelp, "chm hlp")
	claim(shortcut, Shortcut, "lnk url scf website desktop webloc inetloc fileloc search-ms searchconnector-ms library-ms rdp iqy slk oqy rqy shb grp mad maf mag mam")
	claim(office, OneNote, "one onepkg onetoc2")
	claim(diskImage, DiskImage, "iso img vhd vhdx vmdk vdi dmg udf daa nrg")
	return all
}

// families maps detected and declared media types to what they are. Types that
// are missing here are sorted by their main type.
var families = map[string]family{
	"application/pdf":            pdf,
	"application/x-pdf":          pdf,
	"text/html":                  webpage,
	"application/xhtml+xml":      webpage,
	"message/rfc822":             message,
	"message/global":             message,
	"application/mbox":           message,
	"application/ms-tnef":        message,
	"application/vnd.ms-tnef":    message,
	"application/vnd.ms-outlook": message,
	"multipart/related":          message,

	"application/msword":            office,
	"application/rtf":               office,
	"text/rtf":                      office,
	"text/richtext":                 office,
	"application/vnd.ms-excel":      office,
	"application/vnd.ms-powerpoint": office,
	"application/vnd.ms-publisher":  office,
	"application/x-ole-storage":     office,
	"application/onenote":           office,
	"application/epub+zip":          office,

	"application/vnd.microsoft.portable-executable": program,
	"application/x-msdownload":                      program,
	"application/x-dosexec":                         program,
	"application/x-msdos-program":                   program,
	"application/x-elf":                             program,
	"application/x-object":                          program,
	"application/x-executable":                      program,
	"application/x-sharedlib":                       program,
	"application/x-mach-binary":                     program,
	"application/x-java-applet":                     program,
	"application/java-archive":                      program,
	"application/vnd.android.package-archive":       program,
	"application/x-ms-installer":                    program,
	"application/x-msi":                             program,
	"application/x-chrome-extension":                program,
	"application/vnd.debian.binary-package":         program,
	"application/x-rpm":                             program,
	"application/wasm":                              program,
	"application/x-shockwave-flash":                 program,
	"application/x-bytecode.python":                 program,

	"text/javascript":          script,
	"application/javascript":   script,
	"application/x-javascript": script,
	"text/x-php":               script,
	"text/x-python":            script,
	"text/x-perl":              script,
	"text/x-ruby":              script,
	"text/x-lua":               script,
	"text/x-tcl":               script,
	"text/x-shellscript":       script,
	"text/x-sh":                script,
	"application/x-sh":         script,
	"application/hta":          script,
	"text/x-msdos-batch":       script,
	"text/vbscript":            script,
	"text/x-powershell":        script,

	"application/x-ms-shortcut":   shortcut,
	"application/x-mswinurl":      shortcut,
	"application/vnd.ms-htmlhelp": script,

	"application/x-iso9660-image":   diskImage,
	"application/x-vhd":             diskImage,
	"application/x-vhdx":            diskImage,
	"application/x-vmdk":            diskImage,
	"application/x-apple-diskimage": diskImage,

	"application/zip":                   archive,
	"application/x-zip-compressed":      archive,
	"application/x-tar":                 archive,
	"application/gzip":                  archive,
	"application/x-gzip":                archive,
	"application/x-bzip2":               archive,
	"application/x-xz":                  archive,
	"application/zstd":                  archive,
	"application/x-lzma":                archive,
	"application/lzip":                  archive,
	"application/x-lz4":                 archive,
	"application/x-compress":            archive,
	"application/x-7z-compressed":       archive,
	"application/vnd.rar":               archive,
	"application/x-rar":                 archive,
	"application/x-rar-compressed":      archive,
	"application/vnd.ms-cab-compressed": archive,
	"application/x-installshield":       archive,
	"application/x-arj":                 archive,
	"application/x-lzh-compressed":      archive,
	"application/x-ace-compressed":      archive,
	"application/x-zoo":                 archive,
	"application/x-macbinary":           archive,
	"application/macbinary":             archive,
	"application/mac-binhex40":          archive,
	"application/x-cpio":                archive,
	"application/x-archive":             archive,
	"application/x-xar":                 archive,
	"application/x-ms-wim":              archive,
	"application/x-lrzip":               archive,
	"application/x-lzop":                archive,
	"application/x-mtree":               text,

	"application/ogg": media,

	"application/json": text,
	"application/xml":  text,
	"text/xml":         text,
	"image/svg+xml":    picture,
}

// familyOf sorts a media type.
func familyOf(mediaType string) family {
	if f, ok := families[mediaType]; ok {
		return f
	}
	switch {
	case strings.HasPrefix(mediaType, "application/vnd.openxmlformats-officedocument."),
		strings.HasPrefix(mediaType, "application/vnd.oasis.opendocument."),
		strings.HasPrefix(mediaType, "application/vnd.ms-word"),
		strings.HasPrefix(mediaType, "application/vnd.ms-excel"),
		strings.HasPrefix(mediaType, "application/vnd.ms-powerpoint"):
		return office
	}
	main, _, _ := strings.Cut(mediaType, "/")
	switch main {
	case "text":
		return text
	case "image":
		return picture
	case "audio", "video":
		return media
	case "font":
		return font
	}
	return unknown
}

// familyReason is why a detected type is suspicious by itself.
func familyReason(mediaType string) Reason {
	switch mediaType {
	case "application/hta":
		return HTMLApplication
	case "application/vnd.ms-htmlhelp":
		return CompiledHelp
	case "application/onenote":
		return OneNote
	case "application/x-mso":
		return VBAMacro
	}
	switch familyOf(mediaType) {
	case program:
		return Executable
	case script:
		return Script
	case shortcut:
		return Shortcut
	case diskImage:
		return DiskImage
	}
	return ""
}
