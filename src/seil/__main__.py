from seil.cli import main

main()
