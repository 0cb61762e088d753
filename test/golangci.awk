# Leaves in golangci-lint's list of linters those that .golangci.yml names, and those that are on without being named.
# Reads .golangci.yml, then the list; a linter that is missing later is an error of golangci-lint, which knows no such name.
BEGIN { split("errcheck govet ineffassign staticcheck unused", standard); for (i in standard) kept[standard[i]] }

NR == FNR { if (/^    - [a-z]+/) kept[$2]; next }

function dropped(name) { return !(name in kept) }

/\/pkg\/golinters\/[a-z0-9]+"$/ { # an import
	name = $1; gsub(/.*\/|"/, "", name)
	if (dropped(name)) next
}
/^\t\tlinter\.NewConfig\(/ { # an entry, which a blank line ends
	name = $0; sub(/.*NewConfig\(/, "", name); sub(/\..*/, "", name)
	skipping = dropped(name)
}
/^$|^\t}, nil/ { skipping = 0 }
/placeholderReplacer :=/ { next } # for one that we do not have

!skipping
