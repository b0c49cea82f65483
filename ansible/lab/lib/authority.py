"""The lab's own authority, and the certificate of the names that clients ask for; openssl makes both."""

from .shell import run, succeeds

NAMES = ("checkbox.lab", "itrust.lab")
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
DAYS = 90
# What ends sooner is made anew by `up`.
LEFT = 30 * 86400


def folder(lab):
    return lab.state / "tls"


def authority(lab):
    """What clients trust; made once."""
    return folder(lab) / "ca.pem"


def make(lab):
    """The authority and a certificate, unless they are there and hold for a while."""
    folder(lab).mkdir(mode=0o700, parents=True, exist_ok=True)
    if not authority(lab).exists():
        run("openssl", "req", "-x509", *CURVE, "-days", 3650, "-subj", f"/CN=authority of lab {lab.label}",
            "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", authority(lab).with_suffix(".key"), "-out", authority(lab))
    if not succeeds("openssl", "x509", "-noout", "-checkend", LEFT, "-in", folder(lab) / "site.pem"):
        issue(lab)


def issue(lab):
    """A new key and a new certificate in place of what `site.pem` and `site.key` were."""
    ca, draft = authority(lab), folder(lab) / "draft.pem"
    request, extensions = folder(lab) / "site.csr", folder(lab) / "site.ext"
    names = ",".join(f"DNS:{name}" for name in NAMES)
    extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:false\nextendedKeyUsage=serverAuth\n"
                          "keyUsage=digitalSignature\n")
    run("openssl", "req", "-new", *CURVE, "-subj", f"/CN={NAMES[0]}", "-keyout", draft.with_suffix(".key"), "-out", request)
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca.with_suffix(".key"), "-CAcreateserial",
        "-days", DAYS, "-extfile", extensions, "-out", draft)
    for kind in (".key", ".pem"):
        draft.with_suffix(kind).rename((folder(lab) / "site").with_suffix(kind))
