module hello

go 1.27

require questhost/quest v0.1.0

replace questhost/quest => ./quest-sdk/go
